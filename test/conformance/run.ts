// Other people's tests of OCI runtimes, run with ours and with those of others: a table, and exit code 1 where ours fails what
// runc passes and test/conformance/known-failures.txt has no reason for it.
//   node build/js/test/conformance/run.js [SUITE] [PROGRAM…]      SUITE: runtime-tools or runc; all without
// Environment: RUNTIMES (names out of berth-runc runc crun), CONFORMANCE_FRESH=1, BERTH_RUNC (path of ours).
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from '../harness/command.ts'
import { BIN, ROOT } from '../harness/root.ts'
import { type Excuse, readExcuses, remembered } from './results.ts'
import type { Outcome, Runtime, Suite } from './suite.ts'
import { suitesNamed } from './suites.ts'

const OURS = 'berth-runc'
const BASE = 'runc'

const [wanted, ...only] = process.argv.slice(2)
const runtimes = await findRuntimes((process.env['RUNTIMES'] ?? `${OURS} ${BASE} crun`).split(' '))
const excuses = readExcuses()
const failures: string[] = []
for (const suite of suitesNamed(wanted)) {
  await suite.prepare()
  const programs = (await suite.programs()).filter((name) => only.length === 0 || only.includes(name))
  if (programs.length === 0) throw new Error(`${suite.name} has no program named ${only.join(', ')}`)
  console.log(`\n${suite.name} ${suite.version}: assertions passed and failed`)
  console.log(
    row(
      '',
      runtimes.map(({ name }) => name),
    ),
  )
  for (const program of programs) {
    const outcomes = new Map<string, Outcome>()
    for (const runtime of runtimes) {
      const work = () => suite.run(program, runtime)
      outcomes.set(runtime.name, runtime.name === OURS ? await work() : await remembered(suite, program, runtime, work))
    }
    console.log(
      row(
        program,
        runtimes.map(({ name }) => summary(outcomes.get(name))),
      ),
    )
    failures.push(...judge(suite, program, outcomes, excuses))
  }
}
console.log(failures.length === 0 ? '\nnothing fails that runc passes' : `\n${failures.join('\n')}`)
process.exitCode = failures.length === 0 ? 0 : 1

/** Those that are installed. Ours has to be. */
async function findRuntimes(names: readonly string[]): Promise<Runtime[]> {
  const found: Runtime[] = []
  for (const name of names) {
    const path =
      name === OURS ? (process.env['BERTH_RUNC'] ?? join(BIN, OURS)) : (await run(['which', name])).stdout.trim()
    if (path !== '' && existsSync(path)) found.push({ name, path: name === 'crun' ? await withoutUnified(path) : path })
    else if (name === OURS) throw new Error(`${path} is not built`)
    else console.log(`${name} is not installed`)
  }
  return found
}

function judge(
  suite: Suite,
  program: string,
  outcomes: ReadonlyMap<string, Outcome>,
  excuses: readonly Excuse[],
): string[] {
  const ours = outcomes.get(OURS)
  const base = outcomes.get(BASE)
  if (ours === undefined) return []
  const mine = excuses.filter((excuse) => excuse.suite === suite.name && excuse.program === program)
  const excused = (words: string) => mine.some(({ assertion }) => assertion === '*' || assertion === words)
  const failed = ours.failed.filter((words) => !(base?.failed.includes(words) ?? false) && !excused(words))
  // What is not even asked any more passes nowhere.
  const lost =
    ours.failed.length > 0 || base === undefined
      ? []
      : base.passed.filter((words) => !ours.passed.includes(words) && !excused(words))
  const idle = mine.filter(
    ({ assertion }) =>
      assertion !== '*' &&
      !ours.failed.includes(assertion) &&
      !lost.includes(assertion) &&
      base?.passed.includes(assertion) === true &&
      ours.passed.includes(assertion),
  )
  for (const { assertion } of idle) console.log(`  passes, its line in known-failures.txt may go: ${assertion}`)
  return [
    ...failed.map((words) => `${suite.name}/${program}: ${words}`),
    ...lost.map((words) => `${suite.name}/${program}: not asserted: ${words}`),
    ...idle.map(
      ({ assertion }) => `${suite.name}/${program}: passes, its line in known-failures.txt can go: ${assertion}`,
    ),
  ]
}

function summary(outcome: Outcome | undefined): string {
  if (outcome === undefined) return '-'
  const { passed, failed, skipped } = outcome
  if (failed.length > 0) return `${passed.length} FAIL ${failed.length}`
  return passed.length === 0 && skipped.length > 0 ? 'skipped' : `${passed.length} pass`
}

function row(title: string, cells: readonly string[]): string {
  return [title.padEnd(34), ...cells.map((cell) => cell.padEnd(16))].join('').trimEnd()
}

/** crun refuses to work beside a cgroup v2 hierarchy that holds no controllers, so it gets a mount namespace without. */
async function withoutUnified(path: string): Promise<string> {
  if (!existsSync('/sys/fs/cgroup/unified/cgroup.procs')) return path
  const script = join(ROOT, 'build/conformance/crun')
  await mkdir(dirname(script), { recursive: true })
  const inside = `umount /sys/fs/cgroup/unified; exec ${path} "$@"`
  await writeFile(script, `#!/bin/sh\nexec unshare --mount sh -c '${inside}' crun "$@"\n`, { mode: 0o755 })
  return script
}
