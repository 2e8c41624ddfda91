import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MetadataStore } from './metadata-store.ts'

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'metadata-'))
  try {
    await work(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** What the disk holds at this moment, as a kill -9 would leave it. */
function copyAsKilled(from: string, to: string): void {
  for (const name of readdirSync(from)) if (name !== 'meta.db-lock') copyFileSync(join(from, name), join(to, name))
}

test('a change is visible at once and listed in order, before and after a flush', () =>
  withDirectory(async (directory) => {
    const store = await MetadataStore.open(directory)
    const bucket = store.bucket<number>('numbers')
    for (const key of ['b', 'a', 'c']) bucket.put(key, key.charCodeAt(0))
    assert.deepEqual(bucket.list(), [
      ['a', 97],
      ['b', 98],
      ['c', 99],
    ])
    await store.flush()
    bucket.put('aa', 1)
    assert.equal(bucket.remove('b'), true)
    assert.equal(bucket.remove('b'), false)
    assert.deepEqual(
      bucket.list().map(([key]) => key),
      ['a', 'aa', 'c'],
    )
    assert.deepEqual(
      bucket.list('a').map(([key]) => key),
      ['a', 'aa'],
    )
    assert.equal(store.bucket<number>('number').get('s:a'), undefined)
    await store.close()
  }))

test('a killed process loses nothing, flushed or not', () =>
  withDirectory(async (directory) =>
    withDirectory(async (killed) => {
      const store = await MetadataStore.open(directory)
      const bucket = store.bucket<string>('x')
      bucket.put('flushed', 'old')
      bucket.put('gone', 'old')
      await store.flush()
      bucket.put('flushed', 'new')
      bucket.remove('gone')
      bucket.put('journaled', 'yes')
      copyAsKilled(directory, killed)
      await store.close()
      const again = await MetadataStore.open(killed)
      assert.deepEqual(again.bucket<string>('x').list(), [
        ['flushed', 'new'],
        ['journaled', 'yes'],
      ])
      await again.close()
    }),
  ))

test('a torn end of the journal hides only itself', () =>
  withDirectory(async (directory) =>
    withDirectory(async (killed) => {
      const store = await MetadataStore.open(directory)
      store.bucket<string>('x').put('whole', 'yes')
      copyAsKilled(directory, killed)
      await store.close()
      const journal = readdirSync(killed).find((name) => name.startsWith('journal.'))!
      appendFileSync(join(killed, journal), Buffer.from([0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
      const again = await MetadataStore.open(killed)
      assert.deepEqual(again.bucket<string>('x').list(), [['whole', 'yes']])
      again.bucket<string>('x').put('later', 'yes')
      await again.close()
      const third = await MetadataStore.open(killed)
      assert.equal(third.bucket<string>('x').get('later'), 'yes')
      await third.close()
    }),
  ))

test('a transaction that throws leaves nothing, also not in the journal', () =>
  withDirectory(async (directory) =>
    withDirectory(async (killed) => {
      const store = await MetadataStore.open(directory)
      const bucket = store.bucket<string>('x')
      bucket.put('a', 'before')
      assert.throws(() =>
        store.transaction(() => {
          bucket.put('a', 'within')
          bucket.put('b', 'within')
          assert.equal(bucket.get('b'), 'within')
          throw new Error('no')
        }),
      )
      assert.deepEqual(bucket.list(), [['a', 'before']])
      copyAsKilled(directory, killed)
      await store.close()
      const again = await MetadataStore.open(killed)
      assert.deepEqual(again.bucket<string>('x').list(), [['a', 'before']])
      await again.close()
    }),
  ))

test('journals are dropped once the database holds their changes', () =>
  withDirectory(async (directory) => {
    const store = await MetadataStore.open(directory)
    for (let round = 0; round < 3; round++) {
      store.bucket<number>('x').put('k', round)
      await store.flush()
    }
    assert.equal(readdirSync(directory).filter((name) => name.startsWith('journal.')).length, 1)
    await store.close()
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith('journal.')),
      [],
    )
  }))

test('a key that the database can not hold is refused', () =>
  withDirectory(async (directory) => {
    const store = await MetadataStore.open(directory)
    assert.throws(() => store.bucket<number>('x').put('k'.repeat(1025), 1), { code: 'invalid-argument' })
    await store.close()
  }))

test('a file that is no database is refused, and left as it is', async () => {
  for (const bytes of [Buffer.alloc(20_000, 'x'), Buffer.from('short'), Buffer.alloc(8192)])
    await withDirectory(async (directory) => {
      writeFileSync(join(directory, 'meta.db'), bytes)
      await assert.rejects(MetadataStore.open(directory), { code: 'data-loss', message: /meta\.db is damaged/ })
      assert.deepEqual(readFileSync(join(directory, 'meta.db')), bytes)
    })
})

test('a journal that outlived its flush does not undo what came after', () =>
  withDirectory(async (directory) =>
    withDirectory(async (killed) => {
      const store = await MetadataStore.open(directory)
      const bucket = store.bucket<string>('x')
      bucket.put('k', 'first')
      copyAsKilled(directory, killed)
      await store.flush()
      bucket.put('k', 'second')
      await store.flush()
      await store.close()
      // As power loss may have it: the database is new, and the removal of the old journal is not on disk.
      copyFileSync(join(directory, 'meta.db'), join(killed, 'meta.db'))
      const again = await MetadataStore.open(killed)
      assert.equal(again.bucket<string>('x').get('k'), 'second')
      again.bucket<string>('x').put('k', 'third')
      copyAsKilled(killed, directory)
      await again.close()
      const third = await MetadataStore.open(directory)
      assert.equal(third.bucket<string>('x').get('k'), 'third')
      await third.close()
    }),
  ))

test('pages of a bucket together are its list, whatever is flushed already', () =>
  withDirectory(async (directory) => {
    const store = await MetadataStore.open(directory)
    const bucket = store.bucket<number>('numbers')
    for (let index = 0; index < 50; index++) bucket.put(`k${String(index).padStart(3, '0')}`, index)
    await store.flush()
    for (let index = 25; index < 75; index++) bucket.put(`k${String(index).padStart(3, '0')}`, -index)
    for (let index = 10; index < 40; index++) bucket.remove(`k${String(index).padStart(3, '0')}`)
    const seen: [string, number][] = []
    let after: string | undefined
    do {
      const { records, next } = bucket.page(after, 7)
      seen.push(...records)
      after = next
    } while (after !== undefined)
    assert.deepEqual(
      seen.sort(([a], [b]) => (a < b ? -1 : 1)),
      bucket.list(),
    )
    await store.close()
  }))
