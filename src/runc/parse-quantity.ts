// Numbers on the command line of `update`, with the words of Go's parsers where they are none.
import { Failure } from '../base/failure.ts'
import type { Options } from './parse-options.ts'

/** undefined where the option is not given. Throws Failure('invalid-argument'). */
export function parseIntegerOption(options: Options, name: string): number | undefined {
  const text = options.text(name)
  if (text === undefined || text === '') return undefined
  const isSigned = SIGNED.has(name)
  if ((isSigned ? /^[+-]?\d+$/ : /^\d+$/).test(text)) return Number(text)
  const parser = isSigned ? 'ParseInt' : 'ParseUint'
  throw new Failure(
    'invalid-argument',
    `invalid value for ${name}: strconv.${parser}: parsing ${JSON.stringify(text)}: invalid syntax`,
  )
}

const SIGNED = new Set(['cpu-quota', 'cpu-rt-runtime', 'cpu-idle'])
const UNIT: Readonly<Record<string, number>> = { '': 1, k: 1 << 10, m: 1 << 20, g: 1 << 30, t: 2 ** 40, p: 2 ** 50 }

/** `10M`, `1.5g`, `4096`; `-1` is unlimited. */
export function parseByteSize(options: Options, name: string): number | undefined {
  const text = options.text(name)
  if (text === undefined || text === '') return undefined
  if (text === '-1') return -1
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text) ?? []
  if (number === '') throw new Failure('invalid-argument', `invalid value for ${name}: invalid size: '${text}'`)
  return Math.trunc(Number(number) * (UNIT[unit.toLowerCase()] ?? 1))
}
