// docker-py, the library of docker-compose of old, ansible and many scripts, against our engine.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEngine } from '../harness/berth.ts'
import { run } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'
import { ROOT } from '../harness/root.ts'

test('docker-py pulls, runs, watches and removes', async (t) => {
  if ((await run(['python3', '-c', 'import docker'])).code !== 0) return t.skip('python3-docker is not installed')
  await using engine = await startEngine()
  await using registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  const program = join(ROOT, 'test/sdk/docker-py.py')
  const result = await run(['python3', program, engine.socketPath, `${registry.host}/busybox`], { timeoutMs: 60_000 })
  assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`)
})
