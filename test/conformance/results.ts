// What the runtimes we compare with do is remembered, and what of ours may fail is written down with its reason.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { must } from '../harness/command.ts'
import { ROOT } from '../harness/root.ts'
import type { Outcome, Runtime, Suite } from './suite.ts'

const FOLDER = join(ROOT, 'build/conformance/results')
const EXCUSES = join(ROOT, 'test/conformance/known-failures.txt')

export interface Excuse {
  suite: string
  program: string
  /** The assertion's words, or `*`. */
  assertion: string
  reason: string
}

/** Blocks of `suite/program: assertion`, and the reason in the indented lines after it. */
export function readExcuses(): Excuse[] {
  const excuses: Excuse[] = []
  for (const line of readFileSync(EXCUSES, 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, suite = '', program = '', assertion = ''] = /^([\w-]+)\/([\w.-]+): (.*)$/.exec(line) ?? []
    const last = excuses.at(-1)
    if (suite !== '') excuses.push({ suite, program, assertion, reason: '' })
    else if (/^\s/.test(line) && last !== undefined) last.reason = `${last.reason} ${line.trim()}`.trim()
    else throw new Error(`known-failures.txt: ${JSON.stringify(line)}`)
  }
  const bare = excuses.find(({ reason }) => reason === '')
  if (bare !== undefined) throw new Error(`known-failures.txt: ${bare.suite}/${bare.program} has no reason`)
  return excuses
}

/** Runs once per version of the suite and of the runtime; CONFORMANCE_FRESH=1 forgets. */
export async function remembered(
  suite: Suite,
  program: string,
  runtime: Runtime,
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  const version = createHash('sha256')
    .update(await must([runtime.path, '--version']))
    .digest('hex')
    .slice(0, 12)
  const file = join(FOLDER, suite.name, suite.version, `${runtime.name}-${version}`, `${program}.json`)
  if (existsSync(file) && process.env['CONFORMANCE_FRESH'] !== '1') return parseOutcome(await readFile(file, 'utf8'))
  const outcome = await work()
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, JSON.stringify(outcome))
  return outcome
}

function parseOutcome(text: string): Outcome {
  const value: unknown = JSON.parse(text)
  const list = (key: string): string[] => {
    const entry: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
    return Array.isArray(entry) ? entry.filter((word) => typeof word === 'string') : []
  }
  return { passed: list('passed'), failed: list('failed'), skipped: list('skipped') }
}
