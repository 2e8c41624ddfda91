import assert from 'node:assert/strict'
import { test } from 'node:test'
import { continueOperation, currentAsker, currentOperation, runAskedBy, runOperation } from './operation.ts'

const seen = () => [currentOperation()?.replace(/#\d+$/, ''), currentAsker()]

test('an operation and who asked for it reach what is started, through every wait, and one does not end the other', async () => {
  const [anna, ben] = [{ name: 'anna' }, { name: 'ben' }]
  assert.deepEqual(seen(), [undefined, undefined])
  await runAskedBy(anna, async () => {
    await null
    assert.deepEqual(seen(), [undefined, anna])
    await runOperation('GET /a', async () => {
      await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(seen(), ['GET /a', anna])
      // What the daemon goes on with by itself still belongs to the operation that it began in.
      const byItself = runAskedBy(undefined, async () => {
        await null
        assert.deepEqual(seen(), ['GET /a', undefined])
        await runAskedBy(ben, async () => assert.deepEqual(seen(), ['GET /a', ben]))
      })
      assert.deepEqual(seen(), ['GET /a', anna])
      await runOperation('GET /b', async () => assert.deepEqual(seen(), ['GET /b', anna]))
      await byItself
    })
    assert.deepEqual(seen(), [undefined, anna])
  })
  assert.deepEqual(seen(), [undefined, undefined])
})

test('what is done later for an operation has its name again, and whoever asks then', async () => {
  const operation = await runAskedBy('first', () => runOperation('GET /a', async () => currentOperation()))
  assert.match(operation ?? '', /^GET \/a#\d+$/)
  await runAskedBy('second', () =>
    continueOperation(operation, async () => {
      await null
      assert.deepEqual([currentOperation(), currentAsker()], [operation, 'second'])
    }),
  )
  continueOperation(undefined, () => assert.deepEqual(seen(), [undefined, undefined]))
})
