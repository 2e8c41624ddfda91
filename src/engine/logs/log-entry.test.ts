import assert from 'node:assert/strict'
import { test } from 'node:test'
import { locateParts, parseLogLine, unescapeInto } from './log-entry.ts'

const emptyParts = () => ({ payloadStart: 0, payloadEnd: 0, isStderr: false, timeStart: 0, timeEnd: 0 })

test('locateParts finds the parts of a line as the shim writes it, wherever it stands in the buffer', () => {
  const before = 'x'.repeat(7)
  const line = '{"log":"a \\"b\\"\\n","stream":"stderr","time":"2026-01-02T03:04:05.6Z"}'
  const buffer = Buffer.from(`${before}${line}\n`)
  const parts = emptyParts()
  assert.equal(locateParts(buffer, before.length, before.length + line.length, parts), true)
  assert.equal(buffer.toString('latin1', parts.payloadStart, parts.payloadEnd), 'a \\"b\\"\\n')
  assert.equal(buffer.toString('latin1', parts.timeStart, parts.timeEnd), '2026-01-02T03:04:05.6Z')
  assert.equal(parts.isStderr, true)
})

test('locateParts leaves every other form to the slow way', () => {
  const lines = [
    '{"log":"x\\n","stream":"stdout","attrs":{"a":"b"},"time":"2026-01-02T03:04:05Z"}',
    '{"log":"x\\n","stream":"stdxxx","time":"2026-01-02T03:04:05Z"}',
    '{"stream":"stdout","log":"x\\n","time":"2026-01-02T03:04:05Z"}',
    '{"log":"x\\n","stream":"stdout","time":"2026-01-02T03:04:05Z"',
    '{}',
    '',
  ]
  for (const line of lines) assert.equal(locateParts(Buffer.from(line), 0, line.length, emptyParts()), false, line)
})

test('a line whose text imitates the tail of an entry is not cut short', () => {
  const text = '","stream":"stdout","time":"2026-01-02T03:04:05Z"}'
  const line = JSON.stringify({ log: text, stream: 'stdout', time: '2027-01-02T03:04:05Z' })
  const buffer = Buffer.from(line)
  const parts = emptyParts()
  assert.equal(locateParts(buffer, 0, buffer.length, parts), true)
  const target = Buffer.alloc(buffer.length)
  const end = unescapeInto(buffer, parts.payloadStart, parts.payloadEnd, target, 0)
  assert.equal(target.toString('utf8', 0, end), text)
})

test('unescapeInto agrees with JSON.parse on every escape', () => {
  const bodies = [
    '\\n\\r\\t\\b\\f\\"\\\\\\/',
    'plain',
    'é \\u00e9 \\u20ac \\ud83d\\ude00',
    '\\u003c\\u003e\\u0026\\u2028',
    '\\u0000\\u001b[0m',
  ]
  for (const body of bodies) {
    const source = Buffer.from(body)
    const target = Buffer.alloc(source.length)
    const end = unescapeInto(source, 0, source.length, target, 0)
    assert.equal(target.toString('utf8', 0, end), JSON.parse(`"${body}"`), body)
  }
})

test('half of a surrogate pair becomes the replacement character', () => {
  const source = Buffer.from('a\\ud83dz\\ude00')
  const target = Buffer.alloc(source.length)
  assert.equal(target.toString('utf8', 0, unescapeInto(source, 0, source.length, target, 0)), 'a\ufffdz\ufffd')
})

test('parseLogLine gives attributes, and undefined for what is no entry', () => {
  const entry = parseLogLine(
    Buffer.from('{"log":"x","stream":"stderr","attrs":{"a":"b"},"time":"2026-01-02T03:04:05Z"}'),
  )
  assert.deepEqual(
    { ...entry, payload: entry?.payload.toString() },
    {
      payload: 'x',
      stream: 'stderr',
      time: '2026-01-02T03:04:05Z',
      attributes: { a: 'b' },
    },
  )
  for (const text of ['', '{"log":', '\0\0\0', '[]', '12', '{"log":"x","time":3}'])
    assert.equal(parseLogLine(Buffer.from(text)), undefined)
})
