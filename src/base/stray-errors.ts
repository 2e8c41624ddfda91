// Errors that nobody waits for: what a daemon does with them, and how many there were.
import { stackOf } from './failure.ts'
import type { Log } from './log.ts'
import { currentOperation } from './operation.ts'

const counts = { rejections: 0, exceptions: 0 }
const expected: ((reason: unknown) => boolean)[] = []
let isListening = false
/** As Node does where nobody listens. */
let onRejection = (reason: unknown): void => {
  throw reason
}

/** How often this process has met one. */
export function strayErrorCounts(): Readonly<typeof counts> {
  return counts
}

/** Rejections for which `isKnown` holds are a library's own habit: whoever asked is told in another way. */
export function expectRejections(isKnown: (reason: unknown) => boolean): void {
  expected.push(isKnown)
  listen()
}

/**
 * From now on a rejection that nobody handles is logged and counted, and the daemon serves on: it is one operation's, whose state is its own. An
 * exception that nobody catches may have left anything half done: it is logged, and the daemon has to end.
 * @param graceMs after an exception the process ends with code 1 after that time, however far it has come.
 * @returns resolves with the first exception: the daemon closes what it has open, and ends with an exit code that is not 0.
 */
export function watchStrayErrors(log: Log, graceMs: number): Promise<Error> {
  onRejection = (reason) => {
    counts.rejections++
    log.error('unhandled rejection', { operation: currentOperation(), error: stackOf(reason) })
  }
  listen()
  return new Promise((resolve) => {
    process.on('uncaughtException', (error: unknown) => {
      counts.exceptions++
      log.error('uncaught exception, the daemon ends', { operation: currentOperation(), error: stackOf(error) })
      if (counts.exceptions === 1) setTimeout(() => process.exit(1), graceMs).unref()
      resolve(error instanceof Error ? error : new Error(String(error)))
    })
  })
}

function listen(): void {
  if (isListening) return
  isListening = true
  process.on('unhandledRejection', (reason) => {
    if (!expected.some((isKnown) => isKnown(reason))) onRejection(reason)
  })
}
