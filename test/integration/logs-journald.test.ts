// The journald driver, with a real journald and journalctl, against what a real dockerd writes there.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually } from '../harness/command.ts'
import { type TestJournal, startJournal } from '../harness/journal.ts'
import { type LogEngines, startLogEngines, untilExited } from '../harness/log-engines.ts'

let engines: LogEngines
let journal: TestJournal | undefined

before(async () => {
  engines = await startLogEngines()
})

after(async () => {
  await journal?.[Symbol.asyncDispose]()
  await engines[Symbol.asyncDispose]()
})

const SCRIPT = `echo one; sleep 0.2; echo two >&2; sleep 0.2; head -c 20000 /dev/zero | tr '\\0' x; echo; sleep 0.2; echo last`
const OPTIONS = ['--label', 'my.tier=front', '--log-opt', 'labels=my.tier', '--log-opt', 'tag={{.Name}}']

test('without a journald a container does not start, in dockerd’s words', async () => {
  const { engine, image } = engines
  const { stderr } = await engine.docker(['run', '--rm', '--log-driver', 'journald', image, 'true'])
  assert.match(stderr, /failed to initialize logging driver: journald is not enabled on this host/)
})

test('entries have the fields that dockerd’s have, and are read back', async (t) => {
  const { engine, image, realDocker, real } = engines
  journal = await startJournal()
  const entries = journal?.entries
  if (entries === undefined) return t.skip('no journald of our own')
  const args = [
    'run',
    '-d',
    '--network',
    'none',
    '--name',
    'teller',
    '--log-driver',
    'journald',
    ...OPTIONS,
    image,
    'sh',
    '-c',
    SCRIPT,
  ]
  const ours = await engine.ok(...args)
  await untilExited(engine, ours)
  const of = async (id: string) => {
    await eventually('all is in the journal', 60_000, async () =>
      (await entries(`CONTAINER_ID_FULL=${id}`)).some(({ MESSAGE }) => MESSAGE === 'last'),
    )
    return (await entries(`CONTAINER_ID_FULL=${id}`)).map(comparable)
  }
  const written = await of(ours)
  assert.deepEqual(
    written.map(({ MESSAGE, PRIORITY }) => [PRIORITY, MESSAGE?.length]),
    [
      ['6', 3],
      ['3', 3],
      ['6', 16_384],
      ['6', 3616],
      ['6', 4],
    ],
  )
  assert.equal(written[0]?.['MY_TIER'], 'front')
  assert.equal(written[2]?.['CONTAINER_PARTIAL_MESSAGE'], 'true')
  if (real !== undefined) {
    const theirs = (await realDocker(...args)).stdout.trim()
    // Fields of newer versions are left out of the comparison.
    const old = (await of(theirs)).map((entry) => entry)
    const known = new Set(old.flatMap((entry) => Object.keys(entry)))
    const shared = written.map((entry) => Object.fromEntries(Object.entries(entry).filter(([name]) => known.has(name))))
    assert.deepEqual(shared, old)
  }
  const read = await engine.docker(['logs', ours])
  assert.deepEqual([read.stdout.replace(/x{100,}/, 'x'), read.stderr], ['one\nx\nlast\n', 'two\n'])
  await engine.ok('rm', ours)
})

/** Without what journald adds, and what two containers can't have in common. */
function comparable(entry: Record<string, string>): Record<string, string> {
  const CHANCE = /^(_|SYSLOG_TIMESTAMP$|CONTAINER_ID|CONTAINER_PARTIAL_ID$|CONTAINER_LOG_EPOCH$)/
  return Object.fromEntries(
    Object.entries(entry)
      .filter(([name]) => !CHANCE.test(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
