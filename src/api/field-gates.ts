// Fields of answers that came or went with a version of the API: a handler builds the whole answer, and a table takes out of it what a client of
// its version does not know.

type Version = `${number}.${number}`

export interface FieldGate {
  /** Names with dots between; `*` stands for every member of an object or a list. */
  readonly path: string
  /** The first version that has it. */
  readonly since?: Version
  /** The first version that does not have it any more. */
  readonly until?: Version
}

/** A copy where there is something to take out; else the value itself. */
export function fieldsAt<T>(version: { atLeast(text: Version): boolean }, gates: readonly FieldGate[], value: T): T {
  let result: unknown = value
  for (const { path, since, until } of gates) {
    const isThere = (since === undefined || version.atLeast(since)) && (until === undefined || !version.atLeast(until))
    if (!isThere) result = without(result, path.split('.'))
  }
  return result as T
}

function without(value: unknown, [name = '', ...rest]: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return name === '*' ? value.map((item: unknown) => without(item, rest)) : value
  const entries = Object.entries(value).flatMap(([key, member]): [string, unknown][] => {
    if (key !== name && name !== '*') return [[key, member]]
    return rest.length === 0 ? [] : [[key, without(member, rest)]]
  })
  return Object.fromEntries(entries)
}
