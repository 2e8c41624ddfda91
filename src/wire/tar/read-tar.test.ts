import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_XATTRS, type TarEntry } from './entry.ts'
import { readTar } from './read-tar.ts'
import { writeTar } from './write-tar.ts'

function entry(name: string, size: number): TarEntry {
  const nobody = { uid: 0, gid: 0, mode: 0o644, mtime: { seconds: 0, nanos: 0 }, deviceMajor: 0, deviceMinor: 0 }
  return { name, type: 'file', linkName: '', size, xattrs: NO_XATTRS, ...nobody }
}

async function archive(): Promise<Buffer> {
  const parts: Buffer[] = []
  const sources = [
    { entry: entry('a', 3), content: [Buffer.from('abc')] },
    { entry: entry('empty', 0) },
    { entry: entry('big', 2000), content: [Buffer.alloc(2000, 'b')] },
  ]
  for await (const part of writeTar(sources)) parts.push(part)
  return Buffer.concat(parts)
}

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

test('entries come one by one, whatever the chunks and however much of each is read', async () => {
  const bytes = await archive()
  for (const size of [1, 100, 512, 700, bytes.length]) {
    const seen: [string, number][] = []
    for await (const { entry: found, content } of readTar(cut(bytes, size))) {
      let length = 0
      if (found.name === 'a') for await (const part of content) length += part.length
      if (found.name === 'big')
        for await (const part of content) {
          length += part.length
          break
        }
      seen.push([found.name, Math.min(length, 1)])
    }
    assert.deepEqual(seen, [
      ['a', 1],
      ['empty', 0],
      ['big', 1],
    ])
  }
})

test('the source is left where the archive ends, and closed where the reader leaves', async () => {
  const bytes = await archive()
  let isClosed = false
  async function* source(): AsyncGenerator<Buffer> {
    try {
      yield* cut(bytes, bytes.length)
      throw new Error('read past the end')
    } finally {
      isClosed = true
    }
  }
  for await (const _ of readTar(source()));
  assert.ok(isClosed)
  isClosed = false
  for await (const _ of readTar(source())) break
  assert.ok(isClosed)
})

test('an archive that ends within an entry is refused', async () => {
  const bytes = await archive()
  const read = async () => {
    for await (const { content } of readTar(cut(bytes.subarray(0, 2048), 512))) for await (const _ of content);
  }
  await assert.rejects(read, { code: 'invalid-argument', message: 'unexpected EOF' })
})
