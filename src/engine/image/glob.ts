// Shell patterns as Go's path.Match reads them: `*` and `?` stop at slashes.
import { Failure } from '../../base/failure.ts'

/** Throws invalid-argument for a malformed pattern. Linear in time, whatever the pattern: names and patterns come from clients. */
export function matchGlob(pattern: string, text: string): boolean {
  return matchItems(parseGlob(pattern), text)
}

type Item = { kind: 'star' } | { kind: 'one'; accepts(char: string): boolean }

function matchItems(items: readonly Item[], text: string): boolean {
  const chars = [...text]
  // The set of positions in the pattern that are possible after each character.
  let states = skipStars(items, new Set([0]))
  for (const char of chars) {
    const next = new Set<number>()
    for (const at of states) {
      const item = items[at]
      if (item?.kind === 'star' && char !== '/') next.add(at)
      else if (item?.kind === 'one' && item.accepts(char)) next.add(at + 1)
    }
    states = skipStars(items, next)
  }
  return states.has(items.length)
}

function skipStars(items: readonly Item[], states: Set<number>): Set<number> {
  for (const at of states) if (items[at]?.kind === 'star') states.add(at + 1)
  return states
}

function parseGlob(pattern: string): Item[] {
  const items: Item[] = []
  const chars = [...pattern]
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string
    if (char === '*') items.push({ kind: 'star' })
    else if (char === '?') items.push({ kind: 'one', accepts: (c) => c !== '/' })
    else if (char === '[') {
      const end = chars.indexOf(']', i + 2)
      if (end < 0) throw new Failure('invalid-argument', 'syntax error in pattern')
      items.push({ kind: 'one', accepts: parseClass(chars.slice(i + 1, end)) })
      i = end
    } else {
      const literal = char === '\\' ? chars[++i] : char
      if (literal === undefined) throw new Failure('invalid-argument', 'syntax error in pattern')
      items.push({ kind: 'one', accepts: (c) => c === literal })
    }
  }
  return items
}

function parseClass(chars: readonly string[]): (char: string) => boolean {
  const isNegated = chars[0] === '^'
  const body = isNegated ? chars.slice(1) : chars
  const ranges: [string, string][] = []
  for (let i = 0; i < body.length; i++) {
    const low = body[i] as string
    if (body[i + 1] === '-' && body[i + 2] !== undefined) {
      ranges.push([low, body[i + 2] as string])
      i += 2
    } else ranges.push([low, low])
  }
  return (char) => ranges.some(([low, high]) => char >= low && char <= high) !== isNegated
}
