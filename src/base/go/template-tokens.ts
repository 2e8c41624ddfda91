// The words of one action of a template.
import { TemplateError } from './template-error.ts'

export interface Token {
  text: string
  /** Offset in the whole template. */
  at: number
  /** Nothing stands between this and the token before. */
  isJoined: boolean
}

const TOKEN = /\s+|:=|=|,|"(?:[^"\\]|\\.)*"|`[^`]*`|[+-]?\d+(?:\.\d+)?|\$\w*(?:\.\w+)*|(?:\.\w+)+|\.|\w+|[|()]/y

export function tokenize(text: string, offset: number): Token[] {
  const tokens: Token[] = []
  let isJoined = false
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (match === null) throw new TemplateError('parse', `unexpected ${JSON.stringify(text[at])} in command`)
    if (match[0].trim() === '') {
      isJoined = false
      continue
    }
    tokens.push({ text: match[0], at: offset + at, isJoined })
    isJoined = true
  }
  return tokens
}
