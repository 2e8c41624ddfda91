// Notices that a log has been rotated.
import { existsSync, type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** Calls `work`, never twice at a time, now and whenever there is a new rotated file. `work` never rejects. */
export class RotationWatch {
  readonly #path: string
  readonly #work: () => Promise<void>
  readonly #watcher: FSWatcher | undefined
  #running: Promise<void> | undefined
  #isWanted = false

  constructor(path: string, work: () => Promise<void>) {
    this.#path = path
    this.#work = work
    this.#watcher = this.#watch()
    this.#look()
  }

  /** After one last look; resolves when its work is done. */
  async close(): Promise<void> {
    this.#watcher?.close()
    this.#look()
    await this.#running
  }

  #watch(): FSWatcher | undefined {
    const rotated = `${basename(this.#path)}.1`
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_kind, name) => {
        if (name === null || name === rotated) this.#look()
      })
      watcher.on('error', () => {}) // what is rotated is found when the container ends
      return watcher
    } catch {
      return undefined // no inotify instance left: likewise
    }
  }

  #look(): void {
    this.#isWanted = true
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    await Promise.resolve() // whoever called has to note first that it runs
    while (this.#isWanted) {
      this.#isWanted = false
      if (existsSync(`${this.#path}.1`)) await this.#work()
    }
    this.#running = undefined
  }
}
