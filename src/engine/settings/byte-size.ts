// Sizes that people write with a unit, by the rules of Docker's: 64m, 1.5 GiB, 512.
import { Failure } from '../../base/failure.ts'

const POWERS = ['', 'k', 'm', 'g', 't', 'p']
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** Bytes, of binary units, in any case. Throws `invalid size: '…'`. */
export function parseByteSize(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text) ?? []
  if (number === '') throw new Failure('invalid-argument', `invalid size: '${text}'`)
  return Math.floor(Number(number) * 1024 ** POWERS.indexOf(unit.toLowerCase()))
}

/** `64MiB`: at most four digits. */
export function formatByteSize(bytes: number): string {
  let power = 0
  let size = bytes
  for (; size >= 1024 && power < UNITS.length - 1; power++) size /= 1024
  return `${Number(size.toPrecision(4))}${UNITS[power]}`
}
