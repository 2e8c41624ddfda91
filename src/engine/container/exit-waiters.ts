// Those who wait for a container to stop or to go: `POST /containers/{id}/wait`, stop, kill, remove, follow of logs.
import type { ExitStatus } from './container-state.ts'

export type WaitCondition = 'not-running' | 'next-exit' | 'removed'

type Listener = (status: ExitStatus) => void

/** The container tells it of every stop and, once, of the removal. */
export class ExitWaiters {
  readonly #onStop = new Set<Listener>()
  readonly #onRemoval = new Set<Listener>()

  /** Resolves with the next stop (or the removal); never when the signal aborts first. */
  nextStop(signal?: AbortSignal): Promise<ExitStatus> {
    return listen(this.#onStop, signal)
  }

  removal(signal?: AbortSignal): Promise<ExitStatus> {
    return listen(this.#onRemoval, signal)
  }

  tellStopped(status: ExitStatus): void {
    tell(this.#onStop, status)
  }

  /** A container that goes without having run has stopped, too. */
  tellRemoved(status: ExitStatus): void {
    tell(this.#onStop, status)
    tell(this.#onRemoval, status)
  }
}

function listen(listeners: Set<Listener>, signal: AbortSignal | undefined): Promise<ExitStatus> {
  return new Promise((resolve) => {
    const forget = () => listeners.delete(listener)
    const listener: Listener = (status) => {
      signal?.removeEventListener('abort', forget)
      resolve(status)
    }
    listeners.add(listener)
    signal?.addEventListener('abort', forget, { once: true })
  })
}

function tell(listeners: Set<Listener>, status: ExitStatus): void {
  const all = [...listeners]
  listeners.clear()
  for (const listener of all) listener(status)
}
