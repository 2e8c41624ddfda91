// The keys that leave a container running and come back: `ctrl-p,ctrl-q` unless told otherwise.
import { Failure } from '../../base/failure.ts'

const DEFAULT_KEYS = [16, 17]
const CONTROL = '@abcdefghijklmnopqrstuvwxyz[\\]^_'

/** `ctrl-a,x` as bytes. Throws on words that are no keys. */
export function parseDetachKeys(text: string): number[] {
  if (text === '') return DEFAULT_KEYS
  return text.split(',').map((key) => {
    if (key.length === 1) return key.charCodeAt(0)
    const code = key === 'DEL' ? 127 : /^ctrl-.$/.test(key) ? CONTROL.indexOf(key.at(-1) ?? '') : -1
    if (code < 0) throw new Failure('invalid-argument', `Unknown character: '${key}'`)
    return code
  })
}

/** Looks for the keys in what is typed. */
export class DetachScanner {
  readonly #keys: readonly number[]
  #matched = 0

  constructor(keys: readonly number[]) {
    this.#keys = keys
  }

  /** What may be passed on of a chunk; bytes of a beginning match are held back until it fails. */
  scan(chunk: Uint8Array): { bytes: Uint8Array; isDetached: boolean } {
    const out: number[] = []
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++
        if (this.#matched === this.#keys.length) return { bytes: Uint8Array.from(out), isDetached: true }
        continue
      }
      // What breaks a match begins none, as in Docker: after ctrl-p twice ctrl-q is the program's.
      out.push(...this.#keys.slice(0, this.#matched), byte)
      this.#matched = 0
    }
    return { bytes: Uint8Array.from(out), isDetached: false }
  }
}
