// Go's literals: quoted strings, characters and numbers.
import { GoFloat } from './go-float.ts'

const NAMED: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  ...{ '\\': '\\', '"': '"', "'": "'" },
}
const ESCAPE = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|([abfnrtv\\"']))/y

/** Of a double-quoted literal; undefined where an escape is none. */
export function unquoteGo(literal: string): string | undefined {
  return readEscapes(literal.slice(1, -1), "\\'")
}

/** The code of `'x'`; undefined where there is not exactly one character. */
export function parseCharacter(literal: string): number | undefined {
  const text = readEscapes(literal.slice(1, -1), '\\"')
  return text === undefined || [...text].length !== 1 ? undefined : text.codePointAt(0)
}

/** @param foreign the escape that belongs to the other kind of quotes. */
function readEscapes(text: string, foreign: string): string | undefined {
  const bytes: Buffer[] = []
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '\\') {
      const end = text.indexOf('\\', at)
      const plain = text.slice(at, end < 0 ? undefined : end)
      bytes.push(Buffer.from(plain))
      at += plain.length
      continue
    }
    ESCAPE.lastIndex = at
    const match = ESCAPE.exec(text)
    if (match === null || match[0] === foreign) return undefined
    const [whole, byte, short, long, octal, letter] = match
    if (letter !== undefined) bytes.push(Buffer.from(NAMED[letter] ?? ''))
    else if (byte !== undefined || octal !== undefined) {
      const code = byte === undefined ? Number.parseInt(octal ?? '', 8) : Number.parseInt(byte, 16)
      if (code > 0xff) return undefined
      bytes.push(Buffer.of(code))
    } else {
      const code = Number.parseInt(short ?? long ?? '', 16)
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return undefined
      bytes.push(Buffer.from(String.fromCodePoint(code)))
    }
    at += whole.length
  }
  return Buffer.concat(bytes).toString('utf8')
}

/** Undefined where the text is no number. Underscores stand between digits. */
export function parseNumber(literal: string): number | GoFloat | undefined {
  const match = /^([+-]?)(.*)$/.exec(literal)
  const [sign, text] = [match?.[1] === '-' ? -1 : 1, match?.[2] ?? '']
  if (/^_|__|_$|_\.|\._|[eE]_|_[eE]/.test(text)) return undefined
  const digits = text.replaceAll('_', '')
  if (/^0[xX][\da-fA-F]+$|^0[oO][0-7]+$|^0[bB][01]+$/.test(digits)) return sign * Number(digits)
  if (/^0[0-7]+$/.test(digits)) return sign * Number.parseInt(digits, 8)
  if (/^(0|[1-9]\d*)$/.test(digits)) return sign * Number(digits)
  if (/^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(digits) && /[.eE]/.test(digits))
    return new GoFloat(sign * Number(digits))
  return undefined
}
