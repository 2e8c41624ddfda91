import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type RootDatabase, open } from 'lmdb'
import { readLmdbPages } from './lmdb-pages.ts'

/** A database of several levels, with freed pages and values that do not fit a page. */
async function makeDatabase(): Promise<{ bytes: Buffer; expected: Map<string, string> }> {
  const directory = mkdtempSync(join(tmpdir(), 'lmdb-pages-'))
  const options = { path: join(directory, 'meta.db'), noSubdir: true, encoding: 'binary', cache: false } as const
  const database: RootDatabase<Buffer, string> = open<Buffer, string>(options)
  const expected = new Map<string, string>()
  const put = (key: string, value: string) => {
    expected.set(key, value)
    return database.put(key, Buffer.from(value))
  }
  try {
    for (let round = 0; round < 4; round++) {
      const writes = Array.from({ length: 1500 }, (_, index) =>
        put(`content:ns/${index}`, `${round} of ${index}`.repeat(5)),
      )
      for (const index of [1, 2, 3]) writes.push(put(`containers:ns/${index}`, `${round}`.repeat(3000 * index)))
      await Promise.all(writes)
      const removed = [...expected.keys()].filter((_, index) => index % 7 === round)
      await Promise.all(removed.map((key) => database.remove(key)))
      for (const key of removed) expected.delete(key)
    }
    await database.flushed
    return { bytes: readFileSync(options.path), expected }
  } finally {
    await database.close()
    rmSync(directory, { recursive: true })
  }
}

const database = makeDatabase()

test('a sound file is read as LMDB reads it', async () => {
  const { bytes, expected } = await database
  const { problems, records } = readLmdbPages(bytes)
  assert.deepEqual(problems, [])
  assert.deepEqual(new Map([...records].map(([key, value]) => [key, Buffer.from(value).toString()])), expected)
})

test('a file that is cut, zeroed or overwritten anywhere is seen, and what else it holds is found', async () => {
  const { bytes, expected } = await database
  const pages = bytes.length / 4096
  const sound = readLmdbPages(bytes)
  for (let page = 0; page < pages; page += 3) {
    const cut = readLmdbPages(Buffer.from(bytes.subarray(0, page * 4096 + 100)))
    const zeroed = Buffer.from(bytes)
    zeroed.fill(0, page * 4096, (page + 1) * 4096)
    const garbage = Buffer.from(bytes)
    garbage.fill('garbage!', page * 4096, (page + 1) * 4096)
    // Without the newest root, its predecessor's records are what there is; inside of a long value nothing tells of damage.
    for (const { records } of page < 2 ? [] : [cut, readLmdbPages(zeroed), readLmdbPages(garbage)])
      for (const [key, value] of records)
        if (!key.startsWith('containers:')) assert.equal(Buffer.from(value).toString(), expected.get(key))
    const { problems, records, strays } = readLmdbPages(zeroed)
    const found = [...expected].filter(([key]) => records.has(key) || strays.has(key)).length
    // A page holds a few dozen small records; a value of several pages may go with one of them.
    if (page >= 2) assert.ok(found >= expected.size - 60, `page ${page}: ${found} of ${expected.size}`)
    if (problems.length === 0) assert.equal(records.size, sound.records.size) // it was a free page
  }
})

test('bits that flip never make the reader fail', async () => {
  const { bytes } = await database
  for (let at = 0; at < bytes.length; at += 1021) {
    const flipped = Buffer.from(bytes)
    flipped[at] = flipped[at]! ^ (1 << (at % 8))
    readLmdbPages(flipped)
  }
  for (const size of [1, 24, 100, 4095, 4096, 8191]) readLmdbPages(Buffer.from(bytes.subarray(0, size)))
})

test('an empty file is in order; what is no database says so', () => {
  assert.deepEqual(readLmdbPages(Buffer.alloc(0)).problems, [])
  for (const bytes of [Buffer.alloc(20_000, 'x'), Buffer.from('short'), Buffer.alloc(8192)])
    assert.deepEqual(readLmdbPages(bytes).problems, ['it is not a database'])
})
