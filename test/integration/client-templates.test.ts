// The language of --format beside that of the Docker CLI: what a template gives, and what is said of one that is wrong.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { clientsOf, type TestClient } from '../harness/clients.ts'
import { comparable } from '../harness/compare-clients.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'
import { TEMPLATE_LINES } from './client-template-lines.ts'

let engine: TestEngine
let registry: TestRegistry
let docker: TestClient
let berth: TestClient

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  ;[docker, berth] = clientsOf(engine) as [TestClient, TestClient]
  const image = `${registry.host}/busybox`
  const options = ['--label', 'a=1', '--label', 'b=2', '-e', 'A=1', '-e', 'B=2', '--network', 'none']
  await docker.ok('run', '-d', '--name', 'web', ...options, image, 'sleep', '1000')
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

describe('templates', { skip: skipWithoutDocker28 }, () => {
  for (const template of TEMPLATE_LINES)
    test(template, async () => {
      const words = ['inspect', '-f', template, 'web']
      assert.deepEqual(comparable(await berth.run(words)), comparable(await docker.run(words)))
    })
})
