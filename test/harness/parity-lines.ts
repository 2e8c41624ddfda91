// The chapters of the parity script: one command line of the Docker CLI per line, in test/integration/parity/*.lines.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './root.ts'

export const PARITY = join(ROOT, 'test/integration/parity')

/**
 * `words` are shell: the client's name is put before them unless the line starts with `$ `. `key` is the line itself, with a number where
 * the chapter has it several times.
 */
export interface ParityLine {
  key: string
  script: string
  /** `& name words`: goes on beside the lines that follow, until `await name`. */
  background?: string
  /** `await name`: what that line printed. */
  awaited?: string
  /** `until /words/ line`: again and again, until the pattern is found in what is printed. */
  until?: RegExp
  /** `sort line`: its standard output is in no order. */
  sorted: boolean
}

export interface Chapter {
  name: string
  /** The clients' versions it is run with; one that starts with `#! 28` is about the engine alone, and one client will do. */
  clients: readonly string[]
  lines: ParityLine[]
}

/** Of names only, when given; in the alphabet's order. */
export function loadChapters(names: readonly string[] = []): Chapter[] {
  const known = readdirSync(PARITY).flatMap((file) => (file.endsWith('.lines') ? [file.slice(0, -6)] : []))
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Error(`no such chapter: ${unknown.join(', ')}; there are ${known.join(', ')}`)
  return known
    .filter((name) => names.length === 0 || names.includes(name))
    .sort()
    .map((name) => loadChapter(name, readFileSync(join(PARITY, `${name}.lines`), 'utf8')))
}

function loadChapter(name: string, text: string): Chapter {
  const clients = /^#! (.+)$/m.exec(text)?.[1]?.split(' ') ?? ['28', '20.10']
  return { name, clients, lines: parseLines(text) }
}

/** Lines that start with `#` are for the reader. */
export function parseLines(text: string): ParityLine[] {
  const seen = new Map<string, number>()
  return text.split('\n').flatMap((line) => {
    if (line.trim() === '' || line.startsWith('#')) return []
    const times = (seen.get(line) ?? 0) + 1
    seen.set(line, times)
    return [{ key: times === 1 ? line : `${line} (${times})`, ...parseLine(line) }]
  })
}

function parseLine(line: string): Omit<ParityLine, 'key'> {
  const awaited = /^await (\w+)$/.exec(line)?.[1]
  if (awaited !== undefined) return { script: '', awaited, sorted: false }
  const sorted = line.startsWith('sort ')
  const [, name, pattern, words = ''] = /^(?:& (\w+) |until \/(.+?)\/ )?(.+)$/.exec(sorted ? line.slice(5) : line) ?? []
  const script = words.startsWith('$ ') ? words.slice(2) : `docker ${words}`
  return {
    script,
    sorted,
    ...(name === undefined ? {} : { background: name }),
    ...(pattern === undefined ? {} : { until: new RegExp(pattern, 'm') }),
  }
}
