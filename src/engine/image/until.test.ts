import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMoment } from './until.ts'

test('moments are Unix seconds, dates and ages', () => {
  const now = Date.parse('2026-01-02T03:04:05Z')
  const table: [string, string][] = [
    ['1.5', '1970-01-01T00:00:01.500Z'],
    ['2026-01-01', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T02:00', '2026-01-01T02:00:00.000Z'],
    ['2026-01-01T02:00:00.5Z', '2026-01-01T02:00:00.500Z'],
    ['2026-01-01T02:00:00+01:00', '2026-01-01T01:00:00.000Z'],
    ['1h4m5s', '2026-01-02T02:00:00.000Z'],
  ]
  for (const [text, want] of table) assert.equal(new Date(parseMoment(text, now)).toISOString(), want, text)
})

test('what only JavaScript takes for a date decides nothing', () => {
  for (const text of ['', 'bogus', 'bogus 1', 'Jan 5', '5 days', '2026-01-01 x'])
    assert.throws(() => parseMoment(text, 0), {
      code: 'invalid-argument',
      message: `failed to parse value as time or duration: ${JSON.stringify(text)}`,
    })
})
