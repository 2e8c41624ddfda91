// berth-init with real processes: what its caller sees of it.
import assert from 'node:assert/strict'
import test from 'node:test'
import { InitBench, MESSAGE } from './init-bench.ts'

const bench = new InitBench()
test.after(() => bench.dispose())

const AWAIT = [{ op: 'await-start' } as const]

test('the process is its caller’s child, waits, runs, and its exit status is the caller’s to reap', async () => {
  const run = await bench.run(InitBench.shell('echo out; echo err >&2; echo $PPID; exit 7', AWAIT))
  await run.until(MESSAGE.created)
  assert.equal(await run.exitOfInit(), 0)
  assert.equal(run.output, '')
  run.proceed()
  assert.deepEqual(
    (await run.drain()).map((message) => message.kind),
    [MESSAGE.cloned, MESSAGE.created],
  )
  assert.equal(await run.reap(), 7 << 8)
  assert.deepEqual((await run.allOutput()).split('\n').sort(), ['', String(process.pid), 'err', 'out'].sort())
})
