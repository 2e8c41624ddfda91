// One row of the table of routes.

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

export interface Route {
  readonly method: HttpMethod
  /** `{id}` stands for at least one character. */
  readonly path: string
  /** The API version that brought the route. */
  readonly since: `${number}.${number}`
}

export const route = <M extends HttpMethod, P extends string>(
  method: M,
  path: P,
  since: `${number}.${number}` = '1.24',
) => ({
  method,
  path,
  since,
})
