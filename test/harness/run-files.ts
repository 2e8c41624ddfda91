// Runs test files one after the other. A file in which something failed is run once more, by itself, when all are through: what then passes is
// named as unsteady, what fails again fails the whole. Two cores and a dozen daemons make some waits run out that a quiet machine never sees.
import { finished } from 'node:stream/promises'
import { spec } from 'node:test/reporters'
import { run } from 'node:test'

/** Of one file: many times what the slowest takes. */
const FILE_MS = 20 * 60_000

const counts = { passed: 0, failed: 0 }
const first = await runAll(process.argv.slice(2))
const { passed } = counts
let failed = 0
if (first.length > 0) {
  console.log(`\nonce more, by themselves:\n${first.map((file) => `  ${file}\n`).join('')}`)
  const before = counts.failed
  const second = await runAll(first)
  failed = counts.failed - before
  for (const file of first) console.log(`${second.includes(file) ? 'FAILED TWICE' : 'unsteady'}: ${file}`)
  if (second.length > 0) process.exitCode = 1
}
console.log(`\n${passed} passed, ${failed} failed`)

/** The files in which a test failed. Each is a run of its own: a test tells the file that it is written in, which may be a suite's. */
async function runAll(paths: readonly string[]): Promise<string[]> {
  const failed: string[] = []
  for (const path of paths) if (!(await runFile(path))) failed.push(path)
  return failed
}

async function runFile(path: string): Promise<boolean> {
  const before = counts.failed
  const tests = run({ files: [path], concurrency: 1, timeout: FILE_MS })
  tests.on('test:pass', () => counts.passed++)
  tests.on('test:fail', ({ todo }) => {
    if (todo === undefined || todo === false) counts.failed++
  })
  const report = tests.compose(new spec())
  report.pipe(process.stdout, { end: false })
  await finished(report)
  return counts.failed === before
}
