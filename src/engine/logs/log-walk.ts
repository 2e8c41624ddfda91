// Walks through a log's files, the oldest first, and on while they grow, are rotated, compressed or emptied.
import type { LogFile } from './log-files.ts'
import { closeLogFiles, isCurrent, openLogFile, openLogFiles, openSuccessors } from './log-files.ts'

export class LogWalk implements AsyncDisposable {
  readonly #path: string
  readonly #onBreak: () => void
  /** Files still to be read, the one under way first; the last stays open to be followed. */
  #files: LogFile[] = []
  #offset = 0

  /** `onBreak`: what was read of an unfinished entry has no continuation. */
  constructor(path: string, onBreak: () => void) {
    this.#path = path
    this.#onBreak = onBreak
  }

  /** Undefined: there is no file yet. */
  get file(): LogFile | undefined {
    return this.#files[0]
  }

  get offset(): number {
    return this.#offset
  }

  /** Opens what there is; the walk begins at the oldest file. */
  async open(): Promise<readonly LogFile[]> {
    this.#files = await openLogFiles(this.#path)
    return this.#files
  }

  /** Begins at an offset of one of the opened files. */
  async begin(file: number, offset: number): Promise<void> {
    await closeLogFiles(this.#files.splice(0, file))
    this.#offset = offset
  }

  /** The next bytes, of one file; 0 at the end of what is open. `end`: bytes of the newest file that belong to the walk. */
  async read(buffer: Buffer, end = Number.POSITIVE_INFINITY): Promise<number> {
    for (;;) {
      const file = this.#files[0]
      if (!file) return 0
      const left = this.#files.length === 1 ? end - this.#offset : Number.POSITIVE_INFINITY
      const size = await file.read(buffer, Math.max(0, Math.min(buffer.length, left)), this.#offset)
      this.#offset += size
      if (size > 0 || this.#files.length === 1) return size
      await closeLogFiles(this.#files.splice(0, 1))
      this.#offset = 0
      this.#onBreak()
    }
  }

  /** At the end of what is open: true where there may be more to read now. */
  async advance(): Promise<boolean> {
    const file = this.#files[0]
    if (!file) {
      const first = await openLogFile(this.#path)
      if (first) this.#files.push(first)
      return first !== undefined
    }
    if (await this.#wasCut(file)) return true
    if (await isCurrent(this.#path, file)) return false
    // It was renamed or removed, so its writer is done with it: its last bytes are read before the others'.
    const successors = await openSuccessors(this.#path, file)
    this.#files.push(...successors)
    return successors.length > 0 // none between rename and the new file's first entry
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeLogFiles(this.#files.splice(0))
  }

  /** Somebody has emptied the file (`truncate -s 0`), and what is written now begins at its start. */
  async #wasCut(file: LogFile): Promise<boolean> {
    if ((await file.size()) >= this.#offset) return false
    this.#offset = 0
    this.#onBreak()
    return true
  }
}
