// inspect and list beside a real dockerd's, of the same container: the same keys with values of the same kind, apart from a named few.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { must } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { makeBusyboxTree, pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let dockerd: RealDockerd | undefined
let registry: TestRegistry

before(async () => {
  ;[engine, dockerd] = await Promise.all([startEngine(), startDockerd()])
  registry = await startRegistry(`${engine.directory}/registry`)
})

after(async () => {
  await dockerd?.[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** Paths that the two daemons may differ in, each with its reason. */
const ALLOWED: readonly [RegExp, string][] = [
  [/^\.GraphDriver\.Data/, 'ours keeps images in containerd, where there are no directories to name'],
  [
    /^\.HostConfig\.(ConsoleSize|KernelMemory|KernelMemoryTCP)$/,
    'newer daemons show the first always and have dropped the others',
  ],
  [/^(\[\])?\.NetworkSettings\.Networks\.none\.(MacAddress|DNSNames|GwPriority)$/, 'of newer API versions'],
  [/^\.NetworkSettings\.(SandboxKey|SandboxID)$/, 'the path and id of a namespace are each daemon’s own'],
  [/^\.Config\.(OnBuild|ArgsEscaped)$/, 'the image’s'],
]

interface Difference {
  path: string
  ours: string
  theirs: string
}

/** Keys of one that the other lacks, and values of another kind. Lists are compared by their first items. */
function compare(path: string, ours: unknown, theirs: unknown): Difference[] {
  const [a, b] = [kindOf(ours), kindOf(theirs)]
  if (a !== b) return [{ path, ours: a, theirs: b }]
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    const [one, other] = [ours.sort(byDestination)[0], theirs.sort(byDestination)[0]]
    return ours.length > 0 && theirs.length > 0 ? compare(`${path}[]`, one, other) : []
  }
  if (a !== 'object') return []
  const [left, right] = [ours as Record<string, unknown>, theirs as Record<string, unknown>]
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((key) =>
    compare(`${path}.${key}`, key in left ? left[key] : undefined, key in right ? right[key] : undefined),
  )
}

/** Mounts come in no order of the user's. */
function byDestination(a: unknown, b: unknown): number {
  const of = (mount: unknown) =>
    typeof mount === 'object' && mount !== null && 'Destination' in mount ? String(mount.Destination) : ''
  return of(a) < of(b) ? -1 : 1
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'list' : typeof value
}

test('inspect and list have a real dockerd’s keys and kinds', async (t) => {
  if (!dockerd) return t.skip('no dockerd here')
  const env = { DOCKER_HOST: `unix://${dockerd.socketPath}` }
  await makeBusyboxTree(`${engine.directory}/tree`)
  await must(['sh', '-c', `tar -C ${engine.directory}/tree -c . | docker import -c 'CMD ["sh"]' - same:latest`], {
    env,
  })
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', `${registry.host}/busybox`)
  const create = async (socketPath: string, image: string) => {
    const body = {
      Image: image,
      Cmd: ['sh', '-c', 'sleep 1000'],
      Env: ['A=b'],
      Labels: { a: 'b' },
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/anonymous': {} },
      StopTimeout: 1,
      HostConfig: {
        NetworkMode: 'none',
        Memory: 64 << 20,
        Binds: ['/tmp:/bound:ro'],
        Tmpfs: { '/t': 'size=1m' },
        CapAdd: ['NET_ADMIN'],
        Ulimits: [{ Name: 'nofile', Soft: 99, Hard: 99 }],
        RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 },
      },
    }
    const made = await call(socketPath, 'POST /v1.41/containers/create?name=same', { body })
    assert.equal(made.status, 201, made.text)
  }
  await create(engine.socketPath, `${registry.host}/busybox`)
  await create(dockerd.socketPath, 'same:latest')
  const differences = async (line: string) => {
    const [ours, theirs] = await Promise.all(
      [engine.socketPath, dockerd?.socketPath ?? ''].map(
        async (path) => JSON.parse((await call(path, line)).body) as unknown,
      ),
    )
    const found = compare('', ours, theirs)
    return found.filter(({ path }) => !ALLOWED.some(([pattern]) => pattern.test(path)))
  }
  for (const state of ['created', 'running', 'exited']) {
    const verb = { created: undefined, running: 'start', exited: 'kill' }[state]
    if (verb !== undefined)
      for (const path of [engine.socketPath, dockerd.socketPath])
        assert.equal((await call(path, `POST /v1.41/containers/same/${verb}`)).status, 204)
    assert.deepEqual(await differences('GET /v1.41/containers/same/json'), [], `inspect, ${state}`)
    assert.deepEqual(await differences('GET /v1.41/containers/json?all=1'), [], `list, ${state}`)
  }
})
