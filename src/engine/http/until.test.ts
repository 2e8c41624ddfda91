import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFilters } from './filters.ts'
import { parseTimestamp, parseUntil } from './until.ts'

const NOW = Date.parse('2026-05-04T03:02:01.9Z')

test('a time is seconds of Unix, a date or its beginning, or a duration that has passed', () => {
  const table: [string, string][] = [
    ['0', '1970-01-01T00:00:00.000Z'],
    ['1136073600.25', '2006-01-01T00:00:00.250Z'],
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.123456789Z', '2026-01-02T03:04:05.123Z'],
    ['2026-01-02T03:04:05+01:00', '2026-01-02T02:04:05.000Z'],
    ['2026-01-02T03:04Z', '2026-01-02T03:04:00.000Z'],
    ['2026-01-02T03Z', '2026-01-02T03:00:00.000Z'],
    ['2026-01-02Z', '2026-01-02T00:00:00.000Z'],
    ['1h', '2026-05-04T02:02:01.000Z'],
    ['1h1m1.5s', '2026-05-04T02:01:00.000Z'],
    ['.5h', '2026-05-04T02:32:01.000Z'],
    ['-1h', '2026-05-04T04:02:01.000Z'],
  ]
  for (const [text, time] of table) assert.equal(new Date(parseTimestamp(text, NOW)).toISOString(), time, text)
  assert.equal(parseTimestamp('2026-01-02', NOW), new Date(2026, 0, 2).getTime())
  assert.equal(parseTimestamp('2026-01-02T03:04', NOW), new Date(2026, 0, 2, 3, 4).getTime())
})

test('what is neither is refused', () => {
  for (const text of [
    '',
    'soon',
    'soon 1',
    'Jan 5',
    '5 days',
    '2026-01-01 x',
    '1 h',
    '1x',
    '2026-13-01',
    '1e9',
    'Infinity',
    '10h9',
  ])
    assert.throws(() => parseTimestamp(text, NOW), {
      code: 'invalid-argument',
      message: `failed to parse value as time or duration: ${JSON.stringify(text)}`,
    })
})

test('there is one time, or none', () => {
  const filters = (values: unknown) => parseFilters(new URLSearchParams({ filters: JSON.stringify(values) }))
  assert.equal(parseUntil(filters({}), NOW), undefined)
  assert.equal(parseUntil(filters({ until: ['60'] }), NOW), 60_000)
  assert.throws(() => parseUntil(filters({ until: ['1', '2'] }), NOW), {
    code: 'invalid-argument',
    message: 'more than one until filter specified',
  })
})
