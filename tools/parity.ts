// Runs chapters of the parity script and prints what differs. `node build/js/tools/parity.js [--client 28|20.10] [--prune] [--all] [chapter…]`, in
// a network and mount namespace of its own as `make test-root` makes it. --all shows listed differences too, --prune removes from the list what
// did not show, --times says which lines took long, --out writes what is listed nowhere into a file, in the list's form, for one to give reasons.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  isOptional,
  type KnownDifference,
  loadDifferences,
  saveDifferences,
} from '../test/harness/parity-differences.ts'
import { loadChapters } from '../test/harness/parity-lines.ts'
import { startParitySides } from '../test/harness/parity-sides.ts'
import { compareWithListed, runChapter } from '../test/harness/parity.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    client: { type: 'string', multiple: true },
    prune: { type: 'boolean' },
    all: { type: 'boolean' },
    times: { type: 'boolean' },
    out: { type: 'string' },
  },
})

const sides = await startParitySides()
if (sides === undefined) throw new Error('dockerd is not installed')
// Whoever interrupts it means the engines as well.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void Promise.resolve(sides[Symbol.asyncDispose]()).finally(() => process.exit(1)))
try {
  let known = loadDifferences()
  let lines = 0
  const unlisted: KnownDifference[] = []
  for (const client of sides.clients.filter(({ name }) => values.client?.includes(name) ?? true))
    for (const chapter of loadChapters(positionals).filter(({ clients }) => clients.includes(client.name))) {
      const start = Date.now()
      const found = await runChapter(chapter, client, sides, (line, _difference, ms) => {
        if (values.times === true && ms > 1500) console.log(`  ${ms} ms: ${line.key}`)
      })
      const listed = known.filter((one) => one.chapter === chapter.name && one.clients.includes(client.name))
      const verdict = compareWithListed(found, listed)
      lines += chapter.lines.length
      console.log(
        `== ${client.name} ${chapter.name}: ${chapter.lines.length} lines, ${found.size} differ, ${verdict.unlisted.size} unlisted, ${verdict.gone.length} gone, ${Date.now() - start} ms`,
      )
      for (const [key, words] of values.all === true ? found : verdict.unlisted)
        console.log(`${key}\n${words.map((word) => `    ${word}\n`).join('')}`)
      for (const [line, shows] of verdict.unlisted)
        unlisted.push({ clients: [client.name], chapter: chapter.name, line, reason: '', shows })
      for (const key of verdict.gone) console.log(`no longer differs: ${key}`)
      if (values.prune === true)
        known = known.flatMap((one) => {
          const isGone = listed.includes(one) && !isOptional(one) && verdict.gone.includes(one.line)
          const clients = isGone ? one.clients.filter((name) => name !== client.name) : one.clients
          return clients.length === 0 ? [] : [{ ...one, clients }]
        })
    }
  console.log(`${lines} lines`)
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(unlisted, null, 2)}\n`)
  if (values.prune === true) saveDifferences(known)
} finally {
  await sides[Symbol.asyncDispose]()
}
