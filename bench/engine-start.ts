// One container's start and one exec, by the CLI as people see it and by the API as programs do; and many starts at once.
import { EngineClient } from './engine-client.ts'
import { execByApi } from './exec-by-api.ts'
import type { Peer } from './peers.ts'
import { type Part, type Stage, scaled } from './stage.ts'

const REPEATS = Number(process.env['BENCH_REPEATS'] ?? 15)
const PARALLEL_STARTS = 50

export const startPart: Part = {
  name: 'start',
  title: 'Engine: start and exec',
  about: `Medians of ${REPEATS} rounds, of 3 of the long one; the sides alternate. The same Docker CLI against both.`,
  limitSeconds: 240,
  async measure(stage) {
    await stage.time('`docker version`: what every row holds of the CLI itself, with one request', REPEATS, (peer) =>
      peer.ok('version'),
    )
    await measureRuns(stage)
    await measureExecs(stage)
    await stage.time(`${PARALLEL_STARTS} × \`docker run -d\` at once, and their removal`, 3, (peer) =>
      startMany(stage, peer),
    )
  },
}

async function measureRuns(stage: Stage): Promise<void> {
  for (const network of ['bridge', 'none'])
    await stage.time(`\`docker run --rm --net ${network} busybox true\``, REPEATS, (peer) =>
      peer.ok('run', '--rm', '--net', network, stage.image, 'true'),
    )
  await stage.time('the same by the API: create, start, wait for its removal (network none)', REPEATS, (peer) =>
    runByApi(stage, peer),
  )
}

async function runByApi(stage: Stage, peer: Peer): Promise<void> {
  using client = new EngineClient(peer.socketPath, 2)
  const host = { AutoRemove: true, NetworkMode: 'none' }
  const id = await client.create({ Image: stage.image, Cmd: ['true'], HostConfig: host })
  await Promise.all([client.ask('POST', `/containers/${id}/wait?condition=removed`), client.start(id)])
}

async function measureExecs(stage: Stage): Promise<void> {
  const name = 'exec-target'
  try {
    for (const peer of stage.peers) await peer.ok('run', '-d', '--name', name, stage.image, 'sleep', '100000')
    await stage.time('`docker exec c true`', REPEATS, (peer) => peer.ok('exec', name, 'true'))
    await stage.time('the same by the API: create, start, exit code', REPEATS, (peer) =>
      execByApi(peer.socketPath, name, ['true']),
    )
  } finally {
    for (const peer of stage.peers) await peer.docker('rm', '-f', name)
  }
}

async function startMany(stage: Stage, peer: Peer): Promise<void> {
  const names = Array.from({ length: scaled(PARALLEL_STARTS) }, (_, index) => `many-${index}`)
  await Promise.all(names.map((name) => peer.ok('run', '-d', '--name', name, stage.image, 'sleep', '100000')))
  await peer.ok('rm', '-f', ...names)
}
