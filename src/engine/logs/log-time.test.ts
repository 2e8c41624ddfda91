import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixTime, parseLogTime } from './log-time.ts'

test('fixTime pads the fraction to nine digits', () => {
  assert.equal(fixTime('2026-01-02T03:04:05Z'), '2026-01-02T03:04:05.000000000Z')
  assert.equal(fixTime('2026-01-02T03:04:05.12Z'), '2026-01-02T03:04:05.120000000Z')
  assert.equal(fixTime('2026-01-02T03:04:05.123456789Z'), '2026-01-02T03:04:05.123456789Z')
  assert.equal(fixTime('2026-01-02T03:04:05.5+01:00'), '2026-01-02T02:04:05.500000000Z')
})

test('parseLogTime takes seconds with a fraction, and nothing for nothing', () => {
  for (const text of [null, '', '0', '0.0']) assert.equal(parseLogTime(text), undefined)
  assert.equal(parseLogTime('1.5'), '1970-01-01T00:00:01.500000000Z')
  assert.equal(parseLogTime('1767323045.123456789'), '2026-01-02T03:04:05.123456789Z')
  assert.throws(() => parseLogTime('yesterday'), {
    code: 'invalid-argument',
    message: 'strconv.ParseInt: parsing "yesterday": invalid syntax',
  })
})
