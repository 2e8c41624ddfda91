// Values of flags: sizes, key=value pairs, ulimits. Errors in Docker's words.
import { Failure } from '../base/failure.ts'

const UNIT: Record<string, number> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 }

/** `64m`, `1.5g`, `1073741824`, as docker/go-units reads them in RAMInBytes. */
export function parseBytes(text: string): number {
  const match =
    /^(\d+(?:\.\d+)?)\s*([kmgtpKMGTP]?)(?:[iI]?[bB])?$/.exec(text) ?? /^(\d+(?:\.\d+)?)\s*([bB])$/.exec(text)
  if (match === null) throw new Failure('invalid-argument', `invalid size: '${text}'`)
  return Math.floor(Number(match[1]) * (UNIT[(match[2] ?? '').toLowerCase()] ?? 1))
}

/** Like parseBytes; `-1` means without limit. */
export function parseMemory(text: string): number {
  return text === '-1' ? -1 : parseBytes(text)
}

/** `a=b` and plain `a`, which means `a=`. Undefined where there are none. */
export function parseKeyValues(entries: readonly string[]): Record<string, string> | undefined {
  if (entries.length === 0) return undefined
  return Object.fromEntries(
    entries.map((entry) => {
      const equals = entry.indexOf('=')
      return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)]
    }),
  )
}

/** `nofile=64` or `nofile=64:128`. */
export function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text)
  if (match === null) throw new Failure('invalid-argument', `invalid ulimit argument: ${text}`)
  const soft = Number(match[2])
  return { Name: match[1] ?? '', Soft: soft, Hard: match[3] === undefined ? soft : Number(match[3]) }
}
