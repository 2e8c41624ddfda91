// The Go SDK against our engine: each test of test/sdk/go by its name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startEngine } from '../harness/berth.ts'
import { must, run } from '../harness/command.ts'
import { goSdkTests, skipWithoutGoSdk } from '../harness/go-sdk.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'

test('the Go SDK', { skip: await skipWithoutGoSdk() }, async (t) => {
  const program = await goSdkTests()
  await using engine = await startEngine()
  await using registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  const image = `${registry.host}/busybox:latest`
  await engine.ok('pull', '-q', image)
  const env = { DOCKER_HOST: engine.host, SDK_IMAGE: image, TMPDIR: engine.directory }
  const names = (await must([program, '-test.list', '.'])).split('\n').filter((name) => name.startsWith('Test'))
  assert.ok(names.length > 10, names.join(' '))
  for (const name of names)
    await t.test(
      name.replace(/^Test/, '').replace(/(?<!^)([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`),
      async () => {
        const result = await run([program, '-test.v', '-test.run', `^${name}$`], { env, timeoutMs: 120_000 })
        assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`)
      },
    )
})
