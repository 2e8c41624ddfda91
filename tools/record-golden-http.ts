// Records what a real dockerd answers to each exchange of test/golden/http/exchanges.lines, into a file per section beside it. To be run in a
// network and mount namespace of its own, as `make test-root` makes it. `--ours` shows what ours answers otherwise than recorded instead, and
// `--out file` writes that in the form of the list of differences, for one to give reasons.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { askAll, compareWithGolden, GOLDEN_HTTP } from '../test/harness/golden-http.ts'
import type { KnownDifference } from '../test/harness/parity-differences.ts'
import { startDockerdSide, startParityEngine } from '../test/harness/parity-sides.ts'

const { values } = parseArgs({ options: { ours: { type: 'boolean' }, out: { type: 'string' } } })
const peer = values.ours === true ? await startParityEngine() : await startDockerdSide()
if (peer === undefined) throw new Error('dockerd is not installed')
// Whoever interrupts it means the engine as well.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void Promise.resolve(peer[Symbol.asyncDispose]()).finally(() => process.exit(1)))
try {
  const answers = await askAll(peer.socketPath)
  if (values.ours === true) show([...answers.keys()].flatMap((file) => [...compareWithGolden(file, answers)]))
  else
    for (const [file, list] of answers)
      writeFileSync(join(GOLDEN_HTTP, `${file}.json`), `${JSON.stringify(list, null, 2)}\n`)
} finally {
  await peer[Symbol.asyncDispose]()
}

function show(differences: readonly (readonly [string, string[]])[]): void {
  for (const [line, words] of differences) console.log(`${line}\n${words.map((one) => `    ${one}\n`).join('')}`)
  if (values.out === undefined) return
  const list = differences.map(
    ([line, shows]): KnownDifference => ({ clients: ['http'], chapter: 'http', line, reason: '', shows }),
  )
  writeFileSync(values.out, `${JSON.stringify(list, null, 2)}\n`)
}
