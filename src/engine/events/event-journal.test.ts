import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { EventMessage } from '../../api/event-types.ts'
import type { Log } from '../../base/log.ts'
import { systemClock } from '../../base/clock.ts'
import { EventJournal, type JournalOptions } from './event-journal.ts'
import { EventLog } from './event-log.ts'

function recordingLog(): { log: Log; told: string[] } {
  const told: string[] = []
  const tell = (message: string) => void told.push(message)
  return { log: { debug: tell, info: tell, warn: tell, error: tell } as unknown as Log, told }
}

function temporary(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'berth-journal-'))
  context.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const open = (directory: string, more: Partial<JournalOptions> = {}) =>
  EventJournal.open({ directory, log: recordingLog().log, bootId: 'b1', ...more })

function tell(log: EventLog, ...ids: string[]): void {
  for (const ID of ids) log.publish('volume', 'create', { ID, Attributes: { driver: 'local' } })
}

/** Ids of the first `count` events behind a cursor. */
async function read(log: EventLog, after: number, count: number): Promise<string[]> {
  const found: EventMessage[] = []
  const stop = new AbortController()
  const take = (page: readonly EventMessage[]) => {
    found.push(...page)
    if (found.length >= count) stop.abort()
    return undefined
  }
  await log.follow(after, take, stop.signal)
  return found.map(({ Actor }) => Actor.ID)
}

async function all(log: EventLog, since?: bigint, until?: bigint): Promise<string[]> {
  const found: string[] = []
  for await (const page of log.past({ since, until, after: undefined, to: log.lastSeq }))
    found.push(...page.map(({ Actor }) => Actor.ID))
  return found
}

test('what was told before a crash is read after it, with its time, and numbers go on', async (context) => {
  const directory = temporary(context)
  const before = new EventLog(systemClock, open(directory))
  tell(before, 'a', 'b')
  await Promise.resolve() // nothing is closed or synced: a crash
  const after = new EventLog(systemClock, open(directory))
  tell(after, 'c')
  assert.deepEqual(await read(after, 0, 3), ['a', 'b', 'c'])
  assert.deepEqual(await read(after, 1, 2), ['b', 'c'])
  assert.equal(after.lastSeq, 3)
  const [a] = before.kept()
  assert.deepEqual(await all(after, a!.timeNano, a!.timeNano), ['a'])
})

test('a torn tail is cut off at every length, and the rest is read', async (context) => {
  const directory = temporary(context)
  const log = new EventLog(systemClock, open(directory))
  tell(log, 'a', 'b')
  log.close()
  const [name = ''] = readdirSync(directory).filter((each) => each.endsWith('.events'))
  const path = join(directory, name)
  const whole = readFileSync(path)
  const firstEnd = whole.indexOf(10) + 1
  for (let size = firstEnd; size < whole.length; size++) {
    writeFileSync(path, whole.subarray(0, size))
    const { log: told, told: words } = recordingLog()
    const again = new EventLog(systemClock, open(directory, { log: told }))
    assert.equal(again.lastSeq, 1, `at ${size}`)
    assert.equal(words.length, size === firstEnd ? 0 : 1)
    tell(again, 'x')
    assert.deepEqual(await read(again, 0, 2), ['a', 'x'])
    again.close()
  }
})

test('zeros at the end and a damaged line in the middle cost only themselves', async (context) => {
  const directory = temporary(context)
  const log = new EventLog(systemClock, open(directory))
  tell(log, 'a', 'b', 'c')
  log.close()
  const path = join(directory, '0000000000000001.events')
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace('"ID":"b"', '"ID":"x"'))
  appendFileSync(path, Buffer.alloc(4096))
  const again = new EventLog(systemClock, open(directory))
  assert.deepEqual(await read(again, 0, 2), ['a', 'c'])
  truncateSync(path, 0)
  const empty = new EventLog(systemClock, open(directory))
  tell(empty, 'd')
  assert.deepEqual(await read(empty, 0, 1), ['d'])
})

test('after another boot no number that a client may have seen is given again', (context) => {
  const directory = temporary(context)
  const log = new EventLog(systemClock, open(directory))
  tell(log, 'a')
  log.close()
  assert.equal(open(directory).lastSeq, 1)
  assert.ok(open(directory, { bootId: 'b2' }).lastSeq > 1000)
})

test('10000 events: readers in memory, on disk and slow ones get each once and in order; old segments go', async (context) => {
  const directory = temporary(context)
  const sizes = { segmentBytesMax: 64 * 1024, keptBytesMax: 4 * 1024 * 1024 }
  const log = new EventLog(systemClock, open(directory, sizes))
  const ids = Array.from({ length: 10_000 }, (_, i) => String(i))
  const live = read(log, 0, ids.length)
  const slow = (async () => {
    const found: string[] = []
    const stop = new AbortController()
    const take = async (page: readonly EventMessage[]) => {
      found.push(...page.map(({ Actor }) => Actor.ID))
      if (found.length >= ids.length) stop.abort()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await log.follow(0, take, stop.signal)
    return found
  })()
  for (let i = 0; i < ids.length; i += 100) {
    tell(log, ...ids.slice(i, i + 100))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(await live, ids)
  assert.deepEqual(await slow, ids)
  assert.deepEqual(await read(log, 0, ids.length), ids)
  assert.deepEqual(await all(log), ids)
  assert.ok(readdirSync(directory).length > 10)
  // With less room only the youngest are left, and a reader who needs the others is told.
  log.close()
  const small = new EventLog(systemClock, open(directory, { ...sizes, keptBytesMax: 256 * 1024 }))
  tell(small, 'next', ...ids.slice(0, 1000))
  await Promise.resolve()
  assert.ok(readdirSync(directory).length < 10)
  await assert.rejects(read(small, 1, 1), { code: 'out-of-range' })
})

test('events with large attributes leave memory early, and are read from the journal', async (context) => {
  const journal = open(temporary(context), { keptBytesMax: 1024 ** 3 })
  const log = new EventLog(systemClock, journal)
  context.after(() => log.close())
  const label = 'x'.repeat(1024 * 1024)
  for (let index = 0; index < 40; index++) log.publish('container', 'start', { ID: `c${index}`, Attributes: { label } })
  assert.ok(log.kept().length < 20)
  await Promise.resolve()
  const ids = await read(log, 0, 40)
  assert.deepEqual(
    ids,
    Array.from({ length: 40 }, (_, index) => `c${index}`),
  )
})
