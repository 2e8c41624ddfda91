import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { inBatches } from './batches.ts'

const MB = 1 << 20

test('many small chunks come as few large pieces, and each byte once', async () => {
  const bytes = Buffer.from(Array.from({ length: 5 * MB }, (_, i) => i % 251))
  const chunks = Array.from({ length: 5 * 64 }, (_, i) => bytes.subarray(i * 16_384, (i + 1) * 16_384))
  const pieces: Buffer[] = []
  for await (const piece of inBatches(Readable.from(chunks, { objectMode: false }))) pieces.push(piece)
  assert.ok(Buffer.concat(pieces).equals(bytes))
  assert.ok(pieces.length < 20, String(pieces.length))
})

test('what comes alone does not wait for more, and an end comes at once', async () => {
  const stream = new PassThrough()
  const pieces = inBatches(stream)
  stream.write('a')
  assert.deepEqual(await pieces.next(), { done: false, value: Buffer.from('a') })
  stream.end('b')
  assert.deepEqual(await pieces.next(), { done: false, value: Buffer.from('b') })
  assert.equal((await pieces.next()).done, true)
  assert.equal((await inBatches(stream).next()).done, true, 'it was over before')
})

test('what came before a stream breaks comes before its error', async () => {
  const stream = new PassThrough()
  const pieces = inBatches(stream)
  const first = pieces.next()
  stream.write('a')
  stream.destroy(new Error('cut'))
  assert.deepEqual(await first, { done: false, value: Buffer.from('a') })
  await assert.rejects(pieces.next(), /cut/)
})

test('who does not take the pieces stops the stream, and who leaves ends it', async () => {
  let given = 0
  const stream = new Readable({
    read() {
      given += 65_536
      this.push(given > 64 * MB ? null : Buffer.alloc(65_536))
    },
  })
  const pieces = inBatches(stream)
  await pieces.next()
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(given <= 3 * MB, String(given))
  await pieces.return(undefined)
  if (!stream.closed) await once(stream, 'close')
  assert.ok(stream.destroyed)
})
