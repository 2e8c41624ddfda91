// Which request or call is being answered, and who asked for it: known to all that it sets off, without being handed through every call.
import { AsyncLocalStorage } from 'node:async_hooks'

/** Both in one storage: each that is in use is carried through every await of a request. */
interface Context {
  /** `<kind>#<number>`. */
  readonly operation: string | undefined
  /** Whoever sets it knows what it is. */
  readonly asker: unknown
}

const NOBODY: Context = { operation: undefined, asker: undefined }
const contexts = new AsyncLocalStorage<Context>()
let count = 0

/** Whatever `work` starts, now or later, belongs to an operation of its own. @param kind the route or the method; a number makes it one of its kind. */
export function runOperation<T>(kind: string, work: () => T): T {
  return contexts.run({ operation: `${kind}#${++count}`, asker: current().asker }, work)
}

/** What is done later, and by others, for an operation that has begun. */
export function continueOperation<T>(operation: string | undefined, work: () => T): T {
  return operation === undefined ? work() : contexts.run({ operation, asker: current().asker }, work)
}

/** `<kind>#<number>`, the number unique in this process; undefined where the daemon acts of itself. */
export function currentOperation(): string | undefined {
  return current().operation
}

/** Whatever `work` starts, now or later, is asked for by `asker`, and belongs to the operation that it belonged to. */
export function runAskedBy<T>(asker: unknown, work: () => T): T {
  return contexts.run({ operation: current().operation, asker }, work)
}

/** What `runAskedBy` was given; undefined where nobody asked. */
export function currentAsker(): unknown {
  return current().asker
}

function current(): Context {
  return contexts.getStore() ?? NOBODY
}
