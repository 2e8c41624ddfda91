import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import { systemClock } from '../../base/clock.ts'
import type { ApiRequest, ApiResponse, Handler } from '../http/route.ts'
import { EventJournal } from './event-journal.ts'
import { EventLog } from './event-log.ts'
import { holdAnswers } from './hold-answers.ts'

const DONE: ApiResponse = { kind: 'empty', status: 204 }

test('an answer waits for the journal to have what it tells of, and no answer for anything else', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'held-'))
  const events = new EventLog(systemClock, EventJournal.open({ directory, log: silentLog, bootId: 'b' }))
  const written = () =>
    readdirSync(directory)
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('')
  let at = 0
  const kinds: Handler[] = [
    () => {
      events.publish('image', 'tag', { ID: `event-${at}`, Attributes: {} })
      return DONE
    },
    async () => {
      await Promise.resolve()
      events.publish('image', 'tag', { ID: `event-${at}`, Attributes: {} })
      return DONE
    },
    () => {
      events.publish('image', 'tag', { ID: `event-${at}`, Attributes: {} })
      throw new Error('after all')
    },
    async () => {
      events.publish('image', 'tag', { ID: `event-${at}`, Attributes: {} })
      throw new Error('after all')
    },
  ]
  try {
    // The second of each comes in a turn that has brought one already.
    for (const handler of kinds.flatMap((each) => [each, each])) {
      at++
      const id = `event-${at}"`
      const { 'GET /_ping': held } = holdAnswers({ 'GET /_ping': handler }, events)
      try {
        assert.equal(await held?.({} as ApiRequest), DONE)
      } catch (error) {
        assert.match(String(error), /after all/)
      }
      assert.ok(written().includes(id), `${at}`)
    }
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(holdAnswers({ 'GET /_ping': () => DONE }, events)['GET /_ping']?.({} as ApiRequest), DONE)
  } finally {
    events.close()
    rmSync(directory, { recursive: true })
  }
})
