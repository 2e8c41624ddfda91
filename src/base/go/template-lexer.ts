// The words of a template: text and what stands between `{{` and `}}`, as Go's text/template/parse reads them.
import { goQuote } from './go-quote.ts'
import { TemplateError } from './template-error.ts'

export type TokenKind =
  | 'text'
  | 'left delimiter'
  | 'right delimiter'
  | 'space'
  | 'identifier'
  | 'keyword'
  | 'boolean'
  | 'nil'
  | 'dot'
  | 'field'
  | 'variable'
  | 'number'
  | 'character'
  | 'string'
  | 'raw string'
  | 'pipe'
  | 'declare'
  | 'assign'
  | '('
  | ')'
  | 'other'
  | 'end'

export interface Token {
  readonly kind: TokenKind
  readonly text: string
  /** Offset in the whole template. */
  readonly at: number
}

const KEYWORDS = new Set('block break continue define else end if range template with'.split(' '))
const QUOTE_LENGTH_MAX = 10

/** A token as failures name it. */
export function describeToken({ kind, text }: Token): string {
  if (kind === 'end') return 'EOF'
  if (kind === 'keyword' || kind === 'dot' || kind === 'nil') return `<${text}>`
  const letters = [...text]
  return letters.length > QUOTE_LENGTH_MAX
    ? `${goQuote(letters.slice(0, QUOTE_LENGTH_MAX).join(''))}...`
    : goQuote(text)
}

/** Comments vanish; `{{-` and `-}}` trim the text beside them. The last token is the end. Throws TemplateError. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  let trimsNext = false
  for (;;) {
    const start = source.indexOf('{{', at)
    const trimsBefore = start >= 0 && /^\{\{-[ \t\r\n]/.test(source.slice(start, start + 4))
    const raw = source.slice(at, start < 0 ? undefined : start)
    const from = trimsNext ? raw.length - raw.replace(/^[ \t\r\n]+/, '').length : 0
    const text = trimsBefore ? raw.slice(from).replace(/[ \t\r\n]+$/, '') : raw.slice(from)
    if (text !== '') tokens.push({ kind: 'text', text, at: at + from })
    if (start < 0) {
      tokens.push({ kind: 'end', text: '', at: source.length })
      return tokens
    }
    const inside = start + (trimsBefore ? 4 : 2)
    const end = source.startsWith('/*', inside)
      ? skipComment(source, inside)
      : readAction(source, start, inside, tokens)
    at = end.at
    trimsNext = end.trims
  }
}

interface ActionEnd {
  /** After the closing braces. */
  at: number
  trims: boolean
}

function failAt(source: string, at: number, why: string): TemplateError {
  return new TemplateError('parse', why, lineAt(source, at))
}

export function lineAt(source: string, at: number): number {
  return source.slice(0, at).split('\n').length
}

function skipComment(source: string, from: number): ActionEnd {
  const end = source.indexOf('*/', from)
  if (end < 0) throw failAt(source, from, 'unclosed comment')
  const closing = closingAt(source, end + 2)
  if (closing === undefined) throw failAt(source, from, 'comment ends before closing delimiter')
  return closing
}

/** Undefined where no action ends here. */
function closingAt(source: string, at: number): ActionEnd | undefined {
  const match = /^(?:[ \t\r\n]-)?\}\}/.exec(source.slice(at, at + 4))
  return match === null ? undefined : { at: at + match[0].length, trims: match[0].length > 2 }
}

/** In the order in which they are tried. A word, a field or a variable must end where it ends. */
const PATTERNS: readonly (readonly [TokenKind, RegExp])[] = [
  ['space', /[ \t\r\n]+/y],
  ['assign', /=/y],
  ['declare', /:=/y],
  ['pipe', /\|/y],
  ['string', /"(?:[^"\\\n]|\\[^\n])*"/y],
  ['raw string', /`[^`]*`/y],
  ['character', /'(?:[^'\\\n]|\\[^\n])*'/y],
  ['variable', /\$[\p{L}\p{Nd}_]*/uy],
  ['field', /\.[\p{L}_][\p{L}\p{Nd}_]*/uy],
  [
    'number',
    /(?:[+-]?(?:0[xX][\da-fA-F_]+(?:\.[\da-fA-F_]*)?(?:[pP][+-]?[\d_]+)?|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?[\d_]+)?)|[+-])/y,
  ],
  ['dot', /\./y],
  ['identifier', /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ['(', /\(/y],
  [')', /\)/y],
]

const UNFINISHED: Readonly<Record<string, string>> = {
  '"': 'unterminated quoted string',
  '`': 'unterminated raw quoted string',
  "'": 'unterminated character constant',
  ':': 'expected :=',
}

function readAction(source: string, start: number, inside: number, tokens: Token[]): ActionEnd {
  tokens.push({ kind: 'left delimiter', text: '{{', at: start })
  let depth = 0
  for (let at = inside; ; ) {
    const closing = closingAt(source, at)
    if (closing !== undefined) {
      if (depth > 0) throw failAt(source, at, 'unclosed left paren')
      tokens.push({ kind: 'right delimiter', text: '}}', at })
      return closing
    }
    if (at >= source.length) throw failAt(source, at, `unclosed action${startedAt(source, start, at)}`)
    const token = readToken(source, at)
    if (token.kind === '(') depth++
    if (token.kind === ')' && --depth < 0) throw failAt(source, at, 'unexpected right paren')
    tokens.push(token)
    at += token.text.length
    // ` -}}` belongs to the end, not to the space before it.
    if (token.kind === 'space' && /^-\}\}/.test(source.slice(at, at + 3))) {
      tokens.pop()
      at = token.at + token.text.length - 1
      if (token.text.length > 1) tokens.push({ ...token, text: token.text.slice(0, -1) })
    }
  }
}

function startedAt(source: string, start: number, at: number): string {
  const line = lineAt(source, start)
  return line === lineAt(source, at) ? '' : ` started at :${line}`
}

function readToken(source: string, at: number): Token {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at
    const text = pattern.exec(source)?.[0]
    if (text === undefined) continue
    checkEnd(source, at + text.length, kind, text)
    return { kind: kind === 'identifier' ? kindOfWord(text) : kind, text, at }
  }
  const letter = String.fromCodePoint(source.codePointAt(at) ?? 0)
  const unfinished = UNFINISHED[letter]
  if (unfinished !== undefined) throw failAt(source, at, unfinished)
  if (/^[!-~]$/.test(letter)) return { kind: 'other', text: letter, at }
  throw failAt(source, at, `unrecognized character in action: ${nameCharacter(letter)}`)
}

function kindOfWord(text: string): TokenKind {
  if (KEYWORDS.has(text)) return 'keyword'
  if (text === 'true' || text === 'false') return 'boolean'
  return text === 'nil' ? 'nil' : 'identifier'
}

function checkEnd(source: string, at: number, kind: TokenKind, text: string): void {
  if (at >= source.length) return
  const next = String.fromCodePoint(source.codePointAt(at) ?? 0)
  if (kind === 'number' && text !== '.' && /[\p{L}\p{Nd}_]/u.test(next))
    throw failAt(source, at, `bad number syntax: ${goQuote(text + next)}`)
  if (kind !== 'identifier' && kind !== 'field' && !(kind === 'variable' && text.length > 1)) return
  if (/[ \t\r\n.,|:)(]/.test(next) || source.startsWith('}}', at)) return
  throw failAt(source, at, `bad character ${nameCharacter(next)}`)
}

/** Go's %#U. */
function nameCharacter(letter: string): string {
  const code = (letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(letter) ? `U+${code} '${letter}'` : `U+${code}`
}
