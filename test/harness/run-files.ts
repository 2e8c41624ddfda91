// Runs test files one after the other. A file in which something failed is run once more, by itself, when all are through: what then passes is
// named as unsteady, what fails again fails the whole. Two cores and a dozen daemons make some waits run out that a quiet machine never sees.
import { finished } from 'node:stream/promises'
import { spec } from 'node:test/reporters'
import { run } from 'node:test'

/** Of one file: many times what the slowest takes. */
const FILE_MS = 20 * 60_000

const files = process.argv.slice(2)
const first = await runAll(files)
if (first.size > 0) {
  console.log(`\nonce more, by themselves:\n${[...first].map((file) => `  ${file}\n`).join('')}`)
  const second = await runAll([...first])
  for (const file of first) console.log(`${second.has(file) ? 'FAILED TWICE' : 'unsteady'}: ${file}`)
  if (second.size > 0) process.exitCode = 1
}

/** The files in which a test failed. Node runs each in a process of its own. */
async function runAll(paths: readonly string[]): Promise<Set<string>> {
  const failed = new Set<string>()
  const tests = run({ files: [...paths], concurrency: 1, timeout: FILE_MS })
  tests.on('test:fail', ({ file, name, todo }) => {
    // A file that ended badly as a whole is reported under its own name, and has no other.
    if (todo === undefined || todo === false) failed.add(file ?? name)
  })
  const report = tests.compose(new spec())
  report.pipe(process.stdout)
  await finished(report)
  return failed
}
