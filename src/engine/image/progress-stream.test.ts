import assert from 'node:assert/strict'
import { test } from 'node:test'
import { negotiateVersion } from '../http/api-version.ts'
import { encodeProgress, errorMessage, layerMessage, progressBar } from './progress-stream.ts'
import { decodeAuthHeader } from './registry-auth.ts'

test('lines end with CRLF and escape what HTML would read', () => {
  const message = layerMessage(negotiateVersion('1.41'), '4dfc81c4cf99', 'Downloading', { current: 512, total: 2048 })
  assert.equal(
    encodeProgress(message),
    '{"status":"Downloading","progressDetail":{"current":512,"total":2048},"progress":"[============\\u003e                                      ]     512B/2.048kB","id":"4dfc81c4cf99"}\r\n',
  )
})

test('newer clients draw the bar themselves', () => {
  assert.equal(
    'progress' in layerMessage(negotiateVersion('1.52'), 'x', 'Downloading', { current: 1, total: 2 }),
    false,
  )
  assert.deepEqual(errorMessage(negotiateVersion('1.52'), 'no'), { errorDetail: { message: 'no' }, error: 'no' })
})

test('a size that nobody knows has no bar', () => {
  assert.equal(progressBar(1_500_000, 0), '   1.5MB')
})

test('credentials are read from every alphabet; what is none is ignored', () => {
  const auth = { username: 'u', password: 'p?>~', serveraddress: 'r' }
  for (const encoding of ['base64', 'base64url'] as const)
    assert.deepEqual(decodeAuthHeader({ 'x-registry-auth': Buffer.from(JSON.stringify(auth)).toString(encoding) }), {
      username: 'u',
      password: 'p?>~',
    })
  for (const text of ['', 'e30=', '!!!', Buffer.from('[]').toString('base64'), 'x'.repeat(100_000)])
    assert.equal(decodeAuthHeader({ 'x-registry-auth': text }), undefined)
  assert.deepEqual(
    decodeAuthHeader({ 'x-registry-auth': Buffer.from('{"IdentityToken":"t","auth":"YTpi"}').toString('base64') }),
    { username: 'a', password: 'b', identityToken: 't' },
  )
})
