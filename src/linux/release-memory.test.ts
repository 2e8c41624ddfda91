import assert from 'node:assert/strict'
import { test } from 'node:test'
import { releaseMemorySoon } from './release-memory.ts'

test('dead buffers go a second after the last burst', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const before = process.memoryUsage().arrayBuffers
  let held: Buffer[] | undefined = Array.from({ length: 16 }, () => Buffer.alloc(1 << 20, 1))
  const full = process.memoryUsage().arrayBuffers
  assert.ok(held.length === 16 && full - before >= 16 << 20)
  held = undefined
  releaseMemorySoon()
  t.mock.timers.tick(999)
  releaseMemorySoon()
  t.mock.timers.tick(999)
  assert.ok(process.memoryUsage().arrayBuffers - before >= 16 << 20)
  t.mock.timers.tick(1)
  // What is dead is counted out as the sweeper gets to it.
  const deadline = performance.now() + 5000
  while (process.memoryUsage().arrayBuffers - before >= 8 << 20) {
    assert.ok(performance.now() < deadline, 'never released')
    await new Promise((resolve) => setImmediate(resolve))
  }
})
