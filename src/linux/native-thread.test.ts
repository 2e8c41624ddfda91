import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { endNativeThread, startNativeThread } from './native-thread.ts'

const PROGRAM = new URL('./native-thread.suite.js', import.meta.url)
const TIMES = 40

test('threads are ended in the middle of their native calls, again and again, and the process lives', async () => {
  for (let time = 0; time < TIMES; time++) {
    const worker = startNativeThread(PROGRAM, {})
    await once(worker, 'message')
    const ended = once(worker, 'exit')
    await Promise.all([endNativeThread(worker), endNativeThread(worker)])
    assert.equal((await ended).length, 1)
  }
})

test('a thread that is not yet there, or there no more, is ended as well', async () => {
  const worker = startNativeThread(PROGRAM, {})
  await endNativeThread(worker)
  await endNativeThread(worker)
})
