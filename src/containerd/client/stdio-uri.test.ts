import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatStdioUri, parseStdioUri } from './stdio-uri.ts'

test('what is formatted is parsed again', () => {
  const stdio = {
    socketPath: '/run/a b/%c',
    log: {
      driver: 'local' as const,
      path: '/data/x.log',
      maxSizeBytes: 10,
      maxFiles: 3,
      attributes: Buffer.from('{"a":1}'),
    },
    stdinOnce: true,
  }
  assert.deepEqual(parseStdioUri(formatStdioUri(stdio)), stdio)
  assert.equal(parseStdioUri('/run/fifo'), undefined)
})

test('what runs a program is none of ours, and paths are whole', () => {
  assert.equal(parseStdioUri('binary:///bin/sh?x'), undefined)
  for (const text of [
    'berth://host/x',
    'berth:///run/%00x',
    'berth:///run/%ff',
    'berth://[',
    'berth:///s?log=binary&path=/x',
    'berth:///s?log=json-file&path=x',
    'berth:///s?log=json-file&path=/x%00y',
  ])
    assert.throws(() => parseStdioUri(text), { code: 'invalid-argument' }, text)
})
