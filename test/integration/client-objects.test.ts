// Networks, plugins, images and descriptions of anything: berth beside docker, line by line, on one engine.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { clientsOf, type TestClient } from '../harness/clients.ts'
import type { CommandOptions, CommandResult } from '../harness/command.ts'
import { comparable, sorted, wordsOf } from '../harness/compare-clients.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'
import { OBJECT_LINES } from './client-object-lines.ts'

let engine: TestEngine
let registry: TestRegistry
let docker: TestClient
let berth: TestClient
let image: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  image = `${registry.host}/busybox`
  ;[docker, berth] = clientsOf(engine) as [TestClient, TestClient]
  await docker.ok('pull', '-q', image)
  await docker.ok('tag', image, 'second/name:v1')
  await docker.ok('run', '-d', '--name', 'web', '--network', 'none', image, 'sleep', '1000')
  await docker.ok('run', '--name', 'done', '--network', 'none', image, 'true')
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** Docker colours titles of a tree without a terminal, too. */
function plain(result: CommandResult): CommandResult {
  return comparable({ ...result, stdout: result.stdout.replace(/\x1b\[[\d;]*m/g, '') })
}

async function assertSame(words: readonly string[], options: CommandOptions = {}) {
  const given = words.map((word) => word.replaceAll('IMAGE', image))
  const [theirs, ours] = [plain(await docker.run(given, options)), plain(await berth.run(given, options))]
  const isUnordered = words[0] === 'image' || words[0] === 'images'
  assert.deepEqual(isUnordered ? sorted(ours) : ours, isUnordered ? sorted(theirs) : theirs)
}

describe('objects', { skip: skipWithoutDocker28 }, () => {
  for (const line of OBJECT_LINES) test(line, () => assertSame(wordsOf(line)))

  test('image prune asks, and a no removes nothing', async () => {
    for (const input of ['n\n', '', 'maybe\n']) await assertSame(['image', 'prune'], { input })
    await assertSame(['image', 'prune', '-a'], { input: 'no\n' })
    await docker.ok('image', 'inspect', 'second/name:v1')
    await assertSame(['image', 'prune'], { input: 'y\n' })
  })

  test('formats of lists come from config.json', async () => {
    const directory = `${engine.directory}/formats`
    await mkdir(directory)
    const config = { networksFormat: 'table {{.Name}}\\t{{.Scope}}', pluginsFormat: '{{.Name}}' }
    await writeFile(`${directory}/config.json`, JSON.stringify(config))
    for (const line of ['network ls', 'network ls -q', 'network ls --format json', 'plugin ls'])
      await assertSame(line.split(' '), { env: { DOCKER_CONFIG: directory } })
  })

  test('an older API has what it has, and says what it lacks', async () => {
    const lines = [
      'image prune -f',
      'run --annotation a=b IMAGE',
      'run --gpus all --annotation a=b IMAGE',
      'images --tree',
      'rmi --platform linux/amd64 IMAGE',
      'pull --platform linux/amd64 IMAGE',
      'network ls -q',
    ]
    for (const DOCKER_API_VERSION of ['1.24', '1.40', '1.45'])
      for (const line of lines) await assertSame(wordsOf(line), { env: { DOCKER_API_VERSION } })
  })
})
