// docker-py, the library of docker-compose of old, ansible and many scripts, against our engine.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEngine } from '../harness/berth.ts'
import { run } from '../harness/command.ts'
import { pythonWithDocker } from '../harness/docker-py.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'
import { ROOT } from '../harness/root.ts'

test('docker-py pulls, runs, watches and removes', async (t) => {
  const python = await pythonWithDocker()
  if (python === undefined) return t.skip('docker-py is not installed')
  await using engine = await startEngine()
  await using registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  const program = join(ROOT, 'test/sdk/docker-py.py')
  const result = await run([python, program, engine.socketPath, `${registry.host}/busybox`], { timeoutMs: 120_000 })
  assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`)
})
