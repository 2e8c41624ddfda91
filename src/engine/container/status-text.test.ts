import assert from 'node:assert/strict'
import { test } from 'node:test'
import { initialState } from './container-state.ts'
import { humanDuration } from './human-duration.ts'
import { statusText } from './status-text.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

test('durations are said as `docker ps` says them', () => {
  const table: [number, string][] = [
    [0, 'Less than a second'],
    [999, 'Less than a second'],
    [SECOND, '1 second'],
    [59 * SECOND, '59 seconds'],
    [MINUTE, 'About a minute'],
    [119 * SECOND, 'About a minute'],
    [2 * MINUTE, '2 minutes'],
    [59 * MINUTE + 59 * SECOND, '59 minutes'],
    [HOUR, 'About an hour'],
    [89 * MINUTE, 'About an hour'],
    [90 * MINUTE, '2 hours'],
    [47 * HOUR, '47 hours'],
    [48 * HOUR, '2 days'],
    [13 * DAY, '13 days'],
    [14 * DAY, '2 weeks'],
    [59 * DAY, '8 weeks'],
    [60 * DAY, '2 months'],
    [729 * DAY, '24 months'],
    [730 * DAY, '2 years'],
  ]
  for (const [milliseconds, text] of table) assert.equal(humanDuration(milliseconds), text)
})

test('the status says what the container does', () => {
  const now = Date.parse('2026-01-01T00:01:00Z')
  const state = {
    ...initialState(),
    exitCode: 3,
    startedAt: '2026-01-01T00:00:55Z',
    finishedAt: '2026-01-01T00:00:58Z',
  }
  const texts = (['created', 'running', 'paused', 'restarting', 'exited', 'removing', 'dead'] as const).map((status) =>
    statusText({ ...state, status }, now),
  )
  assert.deepEqual(texts, [
    'Created',
    'Up 5 seconds',
    'Up 5 seconds (Paused)',
    'Restarting (3) 2 seconds ago',
    'Exited (3) 2 seconds ago',
    'Removal In Progress',
    'Dead',
  ])
})
