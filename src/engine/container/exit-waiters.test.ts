import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExitWaiters } from './exit-waiters.ts'

test('a stop wakes those who wait for it, once; the removal wakes both kinds', async () => {
  const waiters = new ExitWaiters()
  const [stop, removal] = [waiters.nextStop(), waiters.removal()]
  waiters.tellStopped({ exitCode: 3, error: '' })
  assert.deepEqual(await stop, { exitCode: 3, error: '' })
  const next = waiters.nextStop()
  waiters.tellRemoved({ exitCode: 4, error: '' })
  assert.deepEqual(await Promise.all([removal, next]), [
    { exitCode: 4, error: '' },
    { exitCode: 4, error: '' },
  ])
})

test('who has gone is not told', () => {
  const waiters = new ExitWaiters()
  const gone = new AbortController()
  let isTold = false
  void waiters.nextStop(gone.signal).then(() => {
    isTold = true
  })
  gone.abort()
  waiters.tellStopped({ exitCode: 0, error: '' })
  return new Promise<void>((resolve) =>
    setImmediate(() => {
      assert.equal(isTold, false)
      resolve()
    }),
  )
})
