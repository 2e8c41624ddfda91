// Input for fuzz targets: samples that are right, made wrong. The same seed gives the same bytes on every machine.

/** mulberry32: small, and good enough to choose where to break something. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % bound
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

/** What parsers have stumbled over before. */
const TOKENS = [
  '..',
  '/',
  '//',
  '\0',
  '\n',
  '%00',
  '%',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '=',
  '@',
  '-1',
  '0',
  '1e999',
  '4294967295',
  '4294967296',
  '9007199254740993',
  '18446744073709551616',
  'null',
  'true',
  '__proto__',
  'constructor',
  'sha256:',
  '\u{fffd}',
  '\u{10ffff}',
  '\u2028',
  ' ',
  '\t',
] // prettier-ignore
const NUMBERS = [0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff]

/** A few changes of `sample`: bytes flipped, cut, doubled, spliced with another sample, tokens and numbers put in. */
export function mutate(random: Random, sample: Buffer, others: readonly Buffer[]): Buffer {
  let bytes = sample
  for (let changes = random.below(4); changes >= 0; changes--) bytes = mutateOnce(random, bytes, random.pick(others))
  return bytes.subarray(0, 1 << 20)
}

function mutateOnce(random: Random, bytes: Buffer, other: Buffer): Buffer {
  const at = random.below(bytes.length + 1)
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
  const cut = tail.subarray(random.below(Math.min(tail.length, 64) + 1))
  switch (random.below(8)) {
    case 0:
      return head
    case 1:
      return Buffer.concat([head, cut])
    case 2:
      return Buffer.concat([head, Buffer.from(random.pick(TOKENS)), cut])
    case 3:
      return Buffer.concat([head, Buffer.from(random.pick(TOKENS).repeat(random.below(300))), tail])
    case 4:
      return Buffer.concat([head, bytes.subarray(random.below(bytes.length + 1)), tail]).subarray(0, 1 << 20)
    case 5:
      return Buffer.concat([head, other.subarray(random.below(other.length + 1))])
    case 6: {
      const changed = Buffer.from(bytes)
      if (at + 4 <= changed.length) changed.writeUInt32LE(random.pick(NUMBERS), at)
      return changed
    }
    default: {
      const changed = Buffer.from(bytes)
      if (at < changed.length) changed[at] = random.below(256)
      return changed
    }
  }
}
