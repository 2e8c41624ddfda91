// Which request or call is being answered: known to all that it sets off, so that an error that nobody waits for can be told to belong to it.
import { AsyncLocalStorage } from 'node:async_hooks'

const operations = new AsyncLocalStorage<string>()
let count = 0

/** Whatever `work` starts, now or later, belongs to an operation of its own. @param kind the route or the method; a number makes it one of its kind. */
export function runOperation<T>(kind: string, work: () => T): T {
  return operations.run(`${kind}#${++count}`, work)
}

/** What is done later, and by others, for an operation that has begun. */
export function continueOperation<T>(operation: string | undefined, work: () => T): T {
  return operation === undefined ? work() : operations.run(operation, work)
}

/** `<kind>#<number>`, the number unique in this process; undefined where the daemon acts of itself. */
export function currentOperation(): string | undefined {
  return operations.getStore()
}
