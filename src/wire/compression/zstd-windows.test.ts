import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { decompress } from './decompress.ts'
import { ZstdWindows } from './zstd-windows.ts'

const CHUNK_SIZE = 256 * 1024
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]
/** A window of 1 KiB, one raw block of two bytes. */
const SMALL = Buffer.from([...MAGIC, 0, 0, ...block('raw', 2, true), 0x61, 0x62])
const SKIPPABLE = Buffer.from([0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
const GIGABYTE_WINDOW = Buffer.from([...MAGIC, 0, 20 << 3, ...block('raw', 0, true)])
/** Content size of 8 bytes, no window: the content is the window. */
const GIGABYTE_SEGMENT = Buffer.from([...MAGIC, 0xe0, 0, 0, 0, 0x40, 0, 0, 0, 0, ...block('raw', 0, true)])

function block(kind: 'raw' | 'rle', size: number, isLast: boolean): number[] {
  const header = (size << 3) | ((kind === 'rle' ? 1 : 0) << 1) | (isLast ? 1 : 0)
  return [header & 255, (header >> 8) & 255, header >> 16]
}

test('a large window is found in whatever frame it stands, however the chunks are cut', () => {
  for (const evil of [GIGABYTE_WINDOW, GIGABYTE_SEGMENT])
    for (const before of [[], [SMALL], [SKIPPABLE], [SKIPPABLE, SMALL, SMALL]]) {
      const bytes = Buffer.concat([...before, evil])
      for (const size of [1, 3, 1000]) {
        const windows = new ZstdWindows()
        const push = () => {
          for (let at = 0; at < bytes.length; at += size) windows.push(bytes.subarray(at, at + size))
        }
        assert.throws(push, { code: 'invalid-argument', message: 'zstd: window size too large' })
      }
    }
  const fine = new ZstdWindows()
  for (const part of [SMALL, SKIPPABLE, SMALL, Buffer.from('trailing bytes')]) fine.push(part)
})

async function decompressed(bytes: Buffer): Promise<{ size: number; largest: number }> {
  let [size, largest] = [0, 0]
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += CHUNK_SIZE) yield bytes.subarray(at, at + CHUNK_SIZE)
  }
  for await (const chunk of decompress(chunks())) {
    size += chunk.length
    largest = Math.max(largest, process.memoryUsage().arrayBuffers)
  }
  return { size, largest }
}

test('a bomb is inflated a little at a time', async () => {
  const blocks = 4000
  const rle = Buffer.from([...block('rle', 128 * 1024, false), 0])
  const bomb = Buffer.concat([
    Buffer.from([...MAGIC, 0, 10 << 3]), // a window of 1 MiB
    ...Array.from({ length: blocks }, () => rle),
    Buffer.from(block('raw', 0, true)),
  ])
  const { size, largest } = await decompressed(bomb)
  assert.equal(size, blocks * 128 * 1024)
  // Half a gigabyte at once, where the decoder is given all 16 KB in one piece.
  assert.ok(largest < 200e6, `${largest} bytes held`)
})

test('several frames are one stream', async () => {
  assert.deepEqual((await decompressed(Buffer.concat([SMALL, SKIPPABLE, SMALL]))).size, 4)
  await assert.rejects(decompressed(Buffer.concat([SMALL, GIGABYTE_SEGMENT])), /window size too large/)
})

test('what is not compressed passes as it is, and damage is told', async () => {
  for (const text of ['', 'a', 'abcdef']) assert.equal((await decompressed(Buffer.from(text))).size, text.length)
  const packed = gzipSync(Buffer.alloc(100_000, 'x'))
  assert.equal((await decompressed(packed)).size, 100_000)
  await assert.rejects(decompressed(packed.subarray(0, -9)), { code: 'invalid-argument', message: /^gzip: unexpected/ })
})
