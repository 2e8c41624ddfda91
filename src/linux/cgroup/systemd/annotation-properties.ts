// `org.systemd.property.<name>` among a spec's annotations: a property of the unit, its value in GVariant's text format. Pure.
import { Failure } from '../../../base/failure.ts'
import type { DbusValue } from './dbus-values.ts'
import type { UnitProperty } from './unit-properties.ts'

const PREFIX = 'org.systemd.property.'

/** Throws Failure('invalid-argument') that names the annotation. */
export function annotationProperties(annotations: Readonly<Record<string, string>> = {}): UnitProperty[] {
  return Object.entries(annotations).flatMap(([key, text]) => {
    if (!key.startsWith(PREFIX)) return []
    const name = key.slice(PREFIX.length)
    if (name.length < 3) throw wrong(`annotation ${key} name incorrect: too short`)
    if (!/^[A-Za-z]+$/.test(name)) throw wrong(`annotation ${key} name incorrect: contains non-alphabetic character`)
    const parsed = new VariantText(text, `annotation ${key}=${text}`).parse()
    // systemctl knows seconds, the bus microseconds.
    if (!/[a-z]Sec$/.test(name)) return [{ name, ...parsed }]
    if (typeof parsed.value !== 'number' && typeof parsed.value !== 'bigint')
      throw wrong(`annotation ${key}=${text} value parse error: not a number`)
    const microseconds =
      typeof parsed.value === 'bigint' ? parsed.value * 1_000_000n : BigInt(Math.trunc(parsed.value * 1_000_000))
    return [{ name: name.replace(/Sec$/, 'USec'), signature: 't', value: microseconds }]
  })
}

function wrong(text: string): Failure {
  return new Failure('invalid-argument', text)
}

type Typed = Pick<UnitProperty, 'signature' | 'value'>

const TYPE_WORDS: Record<string, string> = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  uint32: 'u',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g',
}
const RANGES: Record<string, readonly [least: bigint, most: bigint]> = {
  y: [0n, 255n],
  n: [-(2n ** 15n), 2n ** 15n - 1n],
  q: [0n, 2n ** 16n - 1n],
  i: [-(2n ** 31n), 2n ** 31n - 1n],
  u: [0n, 2n ** 32n - 1n],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n],
}

/** Booleans, numbers, strings, `@type`, `uint64 5`, and lists of one kind: what properties of units are. */
class VariantText {
  #rest: string
  readonly #subject: string

  constructor(text: string, subject: string) {
    this.#rest = text
    this.#subject = subject
  }

  parse(): Typed {
    const value = this.#value(undefined)
    if (this.#rest.trim() !== '') throw this.#wrong(`unexpected ${JSON.stringify(this.#rest.trim().slice(0, 20))}`)
    return value
  }

  #value(type: string | undefined): Typed {
    const word = this.#take(/^[a-z]+\d*(?![\w.])/)
    if (word === 'true' || word === 'false') return this.#typed(type, 'b', word === 'true')
    const named = word === undefined ? this.#take(/^@\S+/)?.slice(1) : TYPE_WORDS[word]
    if (named !== undefined) return this.#value(named)
    if (word !== undefined) throw this.#wrong(`unknown word ${word}`)
    if (this.#take(/^\[/) !== undefined) return this.#list(type)
    const quoted = this.#take(/^'(?:[^'\\]|\\.)*'|^"(?:[^"\\]|\\.)*"/)
    if (quoted !== undefined) {
      const text = quoted.slice(1, -1).replace(/\\(.)/g, '$1')
      return type === 'o' || type === 'g' ? { signature: type, value: text } : this.#typed(type, 's', text)
    }
    const number = this.#take(/^[-+]?(?:0x[0-9a-fA-F]+|\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+|\d+)/)
    if (number === undefined) throw this.#wrong('no value')
    return this.#number(number, type)
  }

  #number(text: string, type: string | undefined): Typed {
    const isWhole = /^[-+]?(?:0x[0-9a-fA-F]+|\d+)$/.test(text)
    const signature = type ?? (isWhole ? 'i' : 'd')
    if (signature === 'd') return { signature, value: Number(text) }
    const [least, most] = RANGES[signature] ?? []
    const magnitude = isWhole ? BigInt(text.replace(/^[-+]/, '')) : undefined
    const value = magnitude !== undefined && text.startsWith('-') ? -magnitude : magnitude
    if (value === undefined || least === undefined || most === undefined || value < least || value > most)
      throw this.#wrong(`${text} is no ${signature}`)
    return { signature, value: signature === 'x' || signature === 't' ? value : Number(value) }
  }

  #list(type: string | undefined): Typed {
    const element = type?.startsWith('a') ? type.slice(1) : undefined
    if (type !== undefined && element === undefined) throw this.#wrong(`a list is no ${type}`)
    const items: Typed[] = []
    while (this.#take(/^\]/) === undefined) {
      if (items.length > 0 && this.#take(/^,/) === undefined) throw this.#wrong('no end of the list')
      items.push(this.#value(element ?? items[0]?.signature))
    }
    const signature = element ?? items[0]?.signature
    if (signature === undefined) throw this.#wrong('an empty list needs a type')
    if (items.some((item) => item.signature !== signature)) throw this.#wrong('a list of more than one type')
    return { signature: `a${signature}`, value: items.map((item): DbusValue => item.value) }
  }

  #typed(wanted: string | undefined, signature: string, value: DbusValue): Typed {
    if (wanted !== undefined && wanted !== signature) throw this.#wrong(`${String(value)} is no ${wanted}`)
    return { signature, value }
  }

  #take(pattern: RegExp): string | undefined {
    this.#rest = this.#rest.trimStart()
    const found = pattern.exec(this.#rest)?.[0]
    if (found !== undefined) this.#rest = this.#rest.slice(found.length)
    return found
  }

  #wrong(why: string): Failure {
    return wrong(`${this.#subject} value parse error: ${why}`)
  }
}
