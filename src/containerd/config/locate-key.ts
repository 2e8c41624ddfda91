// Where a key stands in a TOML text. The parser does not keep it, and a message without a line is of little use.
import { parse } from 'smol-toml'
import type { KeyPath } from './check-document.ts'

/** Both from 1. Undefined where the key is written in a way that no single line shows, as in an inline table. */
export function locateKey(text: string, path: KeyPath): { row: number; column: number } | undefined {
  const wanted = JSON.stringify(path)
  let table: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[.*\]\s*(?:#.*)?$/.test(line) ? pathOf(line) : undefined
    if (header !== undefined) table = header
    const found = header ?? keyOf(line, table)
    if (found !== undefined && JSON.stringify(found) === wanted)
      return { row: index + 1, column: line.length - line.trimStart().length + 1 }
  }
  return undefined
}

function keyOf(line: string, table: readonly string[]): string[] | undefined {
  const key = /^\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[\w.\s-])+?)\s*=/.exec(line)?.[1]
  const path = key === undefined ? undefined : pathOf(`${key} = 0`)
  return path === undefined ? undefined : [...table, ...path]
}

/** Of the one table or key that the line makes. */
function pathOf(line: string): string[] | undefined {
  try {
    const path: string[] = []
    let at: unknown = parse(line)
    while (typeof at === 'object' && at !== null) {
      const below = Array.isArray(at) ? at : Object.entries(at)[0]
      if (below === undefined || below.length === 0) break
      if (!Array.isArray(at)) path.push(String(below[0]))
      at = Array.isArray(at) ? at[0] : below[1]
    }
    return path
  } catch {
    return undefined // a line within a string or an array
  }
}
