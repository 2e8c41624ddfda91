// Stats in the shape of the real dockerd's: of a container that runs, one that shares its network, one that never ran.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { must } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { makeBusyboxTree, pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let dockerd: RealDockerd | undefined

const NAMES = ['worker', 'guest', 'still'] as const

async function makeContainers(host: string): Promise<void> {
  const docker = (...args: string[]) => must(['docker', '-H', host, ...args])
  const limits = ['-m', '64m', '--pids-limit', '20']
  await docker('run', '-d', '--name', 'worker', ...limits, 'box', 'sh', '-c', 'while :; do :; done')
  await docker('run', '-d', '--name', 'guest', '--network', 'container:worker', 'box', 'sleep', '1000')
  await docker('create', '--name', 'still', 'box', 'true')
}

before(async () => {
  dockerd = await startDockerd({ bridge: true })
  engine = await startEngine()
  await using registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', `${registry.host}/busybox`)
  await engine.ok('tag', `${registry.host}/busybox`, 'box')
  await makeContainers(engine.host)
  if (dockerd === undefined) return
  mkdirSync(`${engine.directory}/tree`)
  await makeBusyboxTree(`${engine.directory}/tree`)
  const importing = `tar -C "$1" -c . | docker -H "unix://$2" import - box`
  await must(['sh', '-c', importing, 'sh', `${engine.directory}/tree`, dockerd.socketPath])
  await makeContainers(`unix://${dockerd.socketPath}`)
})

after(async () => {
  if (dockerd !== undefined) await must(['docker', '-H', `unix://${dockerd.socketPath}`, 'rm', '-f', ...NAMES])
  await dockerd?.[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** Every value by its type; of a list its first item, for how long it is depends on the machine's disks. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (typeof value !== 'object' || value === null) return value === null ? null : typeof value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, shapeOf(item)]),
  )
}

async function statsOf(socketPath: string, name: string): Promise<Record<string, unknown>> {
  const answer = await call(socketPath, `GET /v1.41/containers/${name}/stats?stream=0`)
  assert.equal(answer.status, 200)
  const { os_type: _, ...stats } = JSON.parse(answer.body) as Record<string, unknown> // newer than 20.10
  return stats
}

describe('stats', () => {
  for (const name of NAMES)
    test(`of ${name}`, async (t) => {
      if (dockerd === undefined) return t.skip('not installed: dockerd')
      const [ours, theirs] = [await statsOf(engine.socketPath, name), await statsOf(dockerd.socketPath, name)]
      const blocks = (stats: Record<string, unknown>) => {
        const lists = Object.entries(stats['blkio_stats'] ?? {})
        return { ...stats, blkio_stats: Object.fromEntries(lists.map(([key, list]) => [key, Array.isArray(list)])) }
      }
      assert.deepEqual(shapeOf(blocks(ours)), shapeOf(blocks(theirs)))
    })

  test('of many containers at once are each of its own', async () => {
    const count = 20
    const names = Array.from({ length: count }, (_, index) => `many-${index}`)
    await Promise.all(
      names.map((name) => engine.ok('run', '-d', '--name', name, '--network', 'none', 'box', 'sleep', '1000')),
    )
    const all = await Promise.all(
      names.map(async (name) => {
        const answer = await call(engine.socketPath, `GET /containers/${name}/stats?stream=0&one-shot=1`)
        return JSON.parse(answer.body) as { name: string; pids_stats: { current: number } }
      }),
    )
    assert.deepEqual(
      all.map(({ name, pids_stats }) => [name, pids_stats.current]),
      names.map((name) => [`/${name}`, 1]),
    )
    await engine.ok('rm', '-f', ...names)
  })
})
