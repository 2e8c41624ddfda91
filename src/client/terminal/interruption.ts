// SIGINT and SIGTERM: what ends a command, and the way out of one that does not end.
import { print } from './streams.ts'

const TERMINATION: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT']
const NUMBER: Partial<Record<NodeJS.Signals, number>> = { SIGINT: 2, SIGTERM: 15 }
/** So many of them end the program whatever it waits for. */
const COUNT_MAX = 3

/** One for the whole program. The first signal ends it, unless a command holds on because the signal is someone else's. */
export class Interruption {
  #count = 0
  #isHeld = false
  #restore: () => void = () => {}

  #isListening = false

  /** For commands that may take long: the exit code is 128 + n, as if a shell had seen the signal. Handlers take time to install. */
  listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    for (const signal of TERMINATION) process.on(signal, () => this.#on(signal))
  }

  /** From now on only the third signal ends the program. */
  hold(): void {
    this.#isHeld = true
    this.listen()
  }

  /** What must be put right before the program ends, whichever way: the terminal's mode. */
  beforeExit(restore: () => void): void {
    this.#restore = restore
    this.listen()
  }

  #on(signal: NodeJS.Signals): void {
    this.#count++
    if (this.#isHeld && this.#count < COUNT_MAX) return
    if (this.#isHeld) print(2, '\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n')
    this.#restore()
    process.exit(this.#isHeld ? 1 : 128 + (NUMBER[signal] ?? 0))
  }
}
