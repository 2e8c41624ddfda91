// The keys with which a client leaves an interactive container running: ctrl-p ctrl-q unless it names others.
import { Failure } from '../../base/failure.ts'

export const DEFAULT_DETACH_KEYS: readonly number[] = [0x10, 0x11]
const CTRL_SYMBOLS: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 }

/** `ctrl-p,ctrl-q`, `a,b`, `ctrl-@`. Missing or empty: the default. Throws invalid-argument. */
export function parseDetachKeys(
  text: string | null | undefined,
  describe: (text: string) => string,
): readonly number[] {
  if (text === null || text === undefined || text === '') return DEFAULT_DETACH_KEYS
  return text.split(',').map((key) => {
    const code = parseKey(key)
    if (code === undefined) throw new Failure('invalid-argument', describe(text))
    return code
  })
}

function parseKey(key: string): number | undefined {
  const bytes = Buffer.from(key)
  if (bytes.length === 1) return bytes[0]
  if (key === 'DEL') return 127
  if (!key.startsWith('ctrl-') || key.length !== 6) return undefined
  const letter = key.slice(5)
  if (letter >= 'a' && letter <= 'z') return letter.charCodeAt(0) - 96
  return CTRL_SYMBOLS[letter]
}

/** Looks for the keys in a stream of input, and holds back what may be their beginning. */
export class DetachFilter {
  readonly #keys: readonly number[]
  #matched = 0

  constructor(keys: readonly number[]) {
    this.#keys = keys
  }

  /** What may go on to the process; `isDetached` once the keys were all there, the rest of the chunk is dropped then. */
  push(chunk: Buffer): { forward: Buffer; isDetached: boolean } {
    const keys = this.#keys
    const out: number[] = []
    if (this.#matched === 0 && chunk.indexOf(keys[0]!) < 0) return { forward: chunk, isDetached: false }
    for (const byte of chunk) {
      if (byte === keys[this.#matched]) {
        if (++this.#matched < keys.length) continue
        this.#matched = 0
        return { forward: Buffer.from(out), isDetached: true }
      }
      // What breaks a match begins none, as in Docker: after ctrl-p twice ctrl-q is the program's.
      out.push(...keys.slice(0, this.#matched), byte)
      this.#matched = 0
    }
    return { forward: Buffer.from(out), isDetached: false }
  }

  /** At the end of the input: the beginning that was held back was no detach. */
  flush(): Buffer {
    const held = this.#keys.slice(0, this.#matched)
    this.#matched = 0
    return Buffer.from(held)
  }
}
