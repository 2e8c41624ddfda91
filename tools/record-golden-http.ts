// Records what a real dockerd answers to each exchange of test/golden/http/exchanges.lines, into a file per section beside it. To be run in a
// network and mount namespace of its own, as `make test-root` makes it; `--ours` only shows what ours answers otherwise than recorded.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Answer, askAll, compareAnswers, GOLDEN_HTTP } from '../test/harness/golden-http.ts'
import { startParitySides } from '../test/harness/parity-sides.ts'

const sides = await startParitySides()
if (sides === undefined) throw new Error('dockerd is not installed')
const isOurs = process.argv.includes('--ours')
try {
  for (const [file, answers] of await askAll((isOurs ? sides.ours : sides.original).socketPath)) {
    const path = join(GOLDEN_HTTP, `${file}.json`)
    if (isOurs) show(file, JSON.parse(readFileSync(path, 'utf8')) as Answer[], answers)
    else writeFileSync(path, `${JSON.stringify(answers, null, 2)}\n`)
  }
} finally {
  await sides[Symbol.asyncDispose]()
}

function show(file: string, recorded: readonly Answer[], answers: readonly Answer[]): void {
  for (const [index, answer] of answers.entries()) {
    const golden = recorded[index]
    const difference = golden?.line === answer.line ? compareAnswers(golden, answer) : ['is not recorded']
    if (difference.length > 0)
      console.log(`${file}: ${answer.line}\n${difference.map((one) => `    ${one}\n`).join('')}`)
  }
}
