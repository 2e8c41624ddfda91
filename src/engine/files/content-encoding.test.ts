import assert from 'node:assert/strict'
import { test } from 'node:test'
import { negotiateEncoding } from './content-encoding.ts'

test('a client gets the encoding that it weighs most, or none', () => {
  const cases: [string | undefined, string][] = [
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['gzip', 'gzip'],
    ['gzip, deflate', 'gzip'],
    ['deflate, gzip;q=0.5', 'deflate'],
    ['gzip;q=0', 'identity'],
    ['br, zstd', 'identity'],
    ['*', 'gzip'],
    ['*;q=0.1, gzip;q=0', 'deflate'],
  ]
  for (const [header, encoding] of cases) assert.equal(negotiateEncoding(header), encoding, String(header))
})
