import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyedMutex } from './keyed-mutex.ts'

test('work under one key goes in turn, under different keys side by side', async () => {
  const mutex = new KeyedMutex()
  const seen: string[] = []
  const release: (() => void)[] = []
  const work = (key: string, name: string) =>
    mutex.run(key, async () => {
      seen.push(`${name} begins`)
      await new Promise<void>((resolve) => release.push(resolve))
      seen.push(`${name} ends`)
    })
  const all = Promise.all([work('a', 'first'), work('a', 'second'), work('b', 'other')])
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  await turn()
  assert.deepEqual(seen, ['first begins', 'other begins'])
  while (release.length > 0) {
    release.shift()?.()
    await turn()
  }
  await all
  assert.ok(seen.indexOf('second begins') > seen.indexOf('first ends'))
})

test('a failure passes the turn on', async () => {
  const mutex = new KeyedMutex()
  await assert.rejects(mutex.run('a', () => Promise.reject(new Error('no'))))
  assert.equal(await mutex.run('a', () => 1), 1)
})
