// A signal or a time limit ends a measurement at its next request, so that what has been started is removed the usual way.

const controller = new AbortController()

/** Aborted once and for good. What only removes things does not look at it. */
export const interruption: AbortSignal = controller.signal

export function interrupt(reason: string): void {
  controller.abort(new Error(reason))
}

/** Ctrl-C and what a shell or supervisor sends. A second one finds the first at work. */
export function interruptOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => interrupt(`interrupted by ${signal}`))
}

/** `work`, or the interruption's reason: then `work` has had `graceMs` to end by itself. */
export async function untilInterrupted(work: Promise<void>, graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<void>((resolve) => {
    const begin = () => {
      timer = setTimeout(resolve, graceMs)
    }
    if (interruption.aborted) begin()
    else interruption.addEventListener('abort', begin, { once: true })
  })
  try {
    await Promise.race([work, expired])
  } finally {
    clearTimeout(timer)
  }
  interruption.throwIfAborted()
}
