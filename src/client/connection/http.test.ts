import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ByteStream, Inbox } from './byte-stream.ts'
import { collect } from './connection.ts'
import { readResponse } from './http.ts'

/** A connection on which `text` arrives in pieces of `size`. */
function streamOf(text: string, size: number): ByteStream {
  const inbox = new Inbox(() => {})
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) inbox.push(bytes.subarray(at, at + size))
  inbox.end()
  return {
    read: () => inbox.read(),
    unread: (chunk) => inbox.unread(chunk),
    write: async () => {},
    endWrite: () => {},
    destroy: () => {},
    isOpen: true,
  }
}

const cases: [string, string, string][] = [
  ['counted', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello'],
  ['chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n', 'hello'],
  ['up to the end', 'HTTP/1.1 200 OK\r\n\r\nhello', 'hello'],
  [
    'after an interim answer',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'hello',
  ],
]
for (const [name, text, body] of cases)
  test(`a body that is ${name}, wherever it is cut`, async () => {
    for (let size = 1; size <= text.length; size++) {
      const response = await readResponse(streamOf(text, size), false)
      assert.equal(response.status, 200)
      assert.equal((await collect(response.body)).toString(), body)
    }
  })

test('what follows an upgrade is left on the stream', async () => {
  const stream = streamOf('HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw', 1000)
  assert.equal((await readResponse(stream, false)).status, 101)
  assert.equal(Buffer.from((await stream.read()) ?? []).toString(), 'raw')
})

test('an answer that is cut short is an error', async () => {
  await assert.rejects(readResponse(streamOf('HTTP/1.1 200', 5), false), /unexpected EOF/)
  const response = await readResponse(streamOf('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', 50), false)
  await assert.rejects(collect(response.body), /unexpected EOF/)
})
