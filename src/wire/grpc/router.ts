// Which handler serves which path.
import type { DescMethod, DescService } from '@bufbuild/protobuf'
import type { CallContext, ServiceHandlers } from './service.ts'

/** A handler whose shape `method.methodKind` tells. */
export type AnyHandler = (request: unknown, context: CallContext) => unknown

export interface Route {
  readonly method: DescMethod
  readonly handler: AnyHandler
}

/** Collects services; the socket server and the in-memory transport both serve one. */
export class GrpcRouter {
  readonly #routes = new Map<string, Route>()

  /** Adds a service's methods; those without a handler stay unimplemented. */
  service<Service extends DescService>(service: Service, handlers: ServiceHandlers<Service>): this {
    for (const method of service.methods) {
      const handler = (handlers as Record<string, AnyHandler | undefined>)[method.localName]
      if (handler !== undefined) this.#routes.set(methodPath(method), { method, handler: handler.bind(handlers) })
    }
    return this
  }

  /** Takes a service away again, by its full name: it is unknown then. */
  remove(service: string): void {
    for (const path of [...this.#routes.keys()]) if (path.startsWith(`/${service}/`)) this.#routes.delete(path)
  }

  find(path: string): Route | undefined {
    return this.#routes.get(path)
  }

  /** True when any method of the service (its full name) is served. */
  knows(service: string): boolean {
    for (const path of this.#routes.keys()) if (path.startsWith(`/${service}/`)) return true
    return false
  }
}

const paths = new WeakMap<DescMethod, string>()

/** `/containerd.services.tasks.v1.Tasks/Create` */
export function methodPath(method: DescMethod): string {
  let path = paths.get(method)
  if (path === undefined) {
    path = `/${method.parent.typeName}/${method.name}`
    paths.set(method, path)
  }
  return path
}

/** What gRPC's Go server says, so that clients that read the text keep working. */
export function unimplementedText(router: GrpcRouter, path: string): string {
  const [service = '', name = ''] = path.replace(/^\//, '').split('/')
  return router.knows(service) ? `unknown method ${name} for service ${service}` : `unknown service ${service}`
}
