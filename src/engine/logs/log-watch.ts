// Tells a follower when to look at the log again: inotify, a slow look now and then in case it said nothing, and the end.
import type { FSWatcher } from 'node:fs'
import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** inotify is exact on local file systems; this is for the others, and for watches the kernel refuses. */
const RECHECK_MS = 500

export class LogWatch implements Disposable {
  readonly #timer: NodeJS.Timeout
  readonly #untilTimer: NodeJS.Timeout | undefined
  readonly #watcher: FSWatcher | undefined
  readonly #stop: () => void
  readonly #signal: AbortSignal
  #wake: (() => void) | undefined
  #hasChanged = false
  #isLast = false

  /** `ended` resolves when nothing more will be written. */
  constructor(source: { path: string; ended: Promise<void> }, untilMs: number | undefined, signal: AbortSignal) {
    this.#watcher = this.#watch(source.path)
    this.#timer = setInterval(() => this.#notify(), RECHECK_MS)
    this.#signal = signal
    this.#stop = () => {
      this.#isLast = true
      this.#notify()
    }
    void source.ended.then(this.#stop, this.#stop)
    signal.addEventListener('abort', this.#stop, { once: true })
    if (untilMs !== undefined && untilMs - Date.now() < 2 ** 31)
      this.#untilTimer = setTimeout(this.#stop, Math.max(0, untilMs - Date.now()))
  }

  /** Resolves when the log may have grown since the last call; true: look once more, then no more. */
  async changed(): Promise<boolean> {
    if (!this.#hasChanged && !this.#isLast) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#hasChanged = false
    return this.#isLast
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    clearTimeout(this.#untilTimer)
    this.#signal.removeEventListener('abort', this.#stop)
    this.#watcher?.close()
  }

  /** The directory is watched, not the file: rotation and the first line of a new container make files. */
  #watch(path: string): FSWatcher | undefined {
    const name = basename(path)
    try {
      const watcher = watch(dirname(path), { persistent: false }, (_kind, file) => {
        if (file === null || file.startsWith(name)) this.#notify()
      })
      watcher.on('error', () => this.#notify()) // the timer goes on looking
      return watcher
    } catch {
      return undefined // no inotify instance left, or no directory: the timer looks
    }
  }

  #notify(): void {
    this.#hasChanged = true
    this.#wake?.()
    this.#wake = undefined
  }
}
