// bench/RESULTS.md, of which each measurement owns one section: writing it leaves the others as they are.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../test/harness/root.ts'

const PATH = join(ROOT, 'bench/RESULTS.md')
const TITLE = '# Results'
/** The sections' order in the file, by the first word of their titles; others follow. */
const ORDER = ['Engine', 'Images', 'containerd', 'Runtime', 'Registry']

/** Replaces the section of that title, or adds it; also prints it. */
export function writeSection(title: string, markdown: string): void {
  const sections = existsSync(PATH) ? parseSections(readFileSync(PATH, 'utf8')) : new Map<string, string>()
  sections.set(title, markdown.trim())
  const place = (name: string) => {
    const index = ORDER.findIndex((first) => name === first || name.startsWith(`${first}:`))
    return index < 0 ? ORDER.length : index
  }
  const sorted = [...sections].sort(([a], [b]) => place(a) - place(b))
  writeFileSync(PATH, `${[TITLE, ...sorted.map(([name, text]) => `## ${name}\n\n${text}`)].join('\n\n')}\n`)
  console.log(`\n## ${title}\n\n${markdown.trim()}\n`)
}

/** By their titles; what stands before the first is nobody's. */
export function parseSections(text: string): Map<string, string> {
  const parts = text.split(/^## (.+)$/m).slice(1)
  const titles = parts.filter((_, index) => index % 2 === 0)
  return new Map(titles.map((title, index) => [title, (parts[index * 2 + 1] ?? '').trim()]))
}

/** Where the numbers come from: without it they mean nothing. The load is what others did at the time. */
export function machineLine(): string {
  const load = loadavg()[0]?.toFixed(1) ?? '?'
  return `Machine: ${cpus().length} cores, Linux ${release()}, Node ${process.versions.node}; load ${load} at the end.`
}
