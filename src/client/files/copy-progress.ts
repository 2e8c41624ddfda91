// What a `cp` tells while it runs, on a terminal, and when it has ended.
import { formatSizeShort } from '../format/moments.ts'
import { isTerminal, print } from '../terminal/streams.ts'

const INTERVAL_MS = 75

/** Counts what passes; `end` clears the line. */
export class CopyProgress {
  readonly #header: string
  readonly #isShown: boolean
  readonly #timer: NodeJS.Timeout | undefined
  #total = 0
  #shown = 0

  /** @param header `Copying to container - ` */
  constructor(header: string) {
    this.#header = header
    this.#isShown = isTerminal(2)
    if (!this.#isShown) return
    print(2, `\x1b7Preparing to copy...\x1b[?25l\x1b8\x1b[2K${header}${formatSizeShort(0)}`)
    this.#timer = setInterval(() => this.#show(), INTERVAL_MS)
  }

  async *counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#total += bytes.length
      yield bytes
    }
  }

  /** `where` is what was copied to. */
  end(where: string): void {
    clearInterval(this.#timer)
    if (this.#isShown) print(2, '\x1b[?25h\x1b8\x1b[2K')
    print(2, `Successfully copied ${formatSizeShort(this.#total)} to ${where}\n`)
  }

  #show(): void {
    if (this.#total === this.#shown) return
    this.#shown = this.#total
    print(2, `\x1b[${this.#header.length + 1}G\x1b[0K${formatSizeShort(this.#total)}`)
  }
}
