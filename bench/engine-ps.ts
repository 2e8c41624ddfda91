// Questions about many containers: how many a second, over one connection and over many, and how long the slowest take.
import { EngineClient, inParallel } from './engine-client.ts'
import { quantile } from './measure.ts'
import type { Peer } from './peers.ts'
import { type Part, type Stage, scaled } from './stage.ts'

const CONTAINERS = 500
const CREATE_WIDTH = 8
const CONNECTIONS = [1, 16]
const SECONDS = 3
const REPEATS = 3

export const psPart: Part = {
  name: 'ps',
  title: 'Engine: list and inspect',
  about: `By the API, with ${CONTAINERS} containers that have been created; requests of ${SECONDS} s each, medians of ${REPEATS} rounds.`,
  limitSeconds: 300,
  async measure(stage) {
    const ids = new Map<Peer, string[]>(stage.peers.map((peer) => [peer, []]))
    try {
      for (const peer of stage.peers) ids.set(peer, await createMany(stage, peer))
      for (const connections of CONNECTIONS) {
        await measureLoad(stage, 'GET /containers/json?all=1', connections, () => '/containers/json?all=1')
        await measureLoad(stage, 'GET /containers/{id}/json', connections, (peer) => {
          const of = ids.get(peer) ?? []
          return `/containers/${of[Math.floor(of.length / 2)]}/json`
        })
      }
    } finally {
      for (const peer of stage.peers) await removeMany(peer, ids.get(peer) ?? [])
    }
  },
}

async function createMany(stage: Stage, peer: Peer): Promise<string[]> {
  using client = new EngineClient(peer.socketPath, CREATE_WIDTH)
  return await inParallel(scaled(CONTAINERS), CREATE_WIDTH, (index) =>
    client.create({ Image: stage.image, Cmd: ['sleep', '100000'], Labels: { index: String(index), of: 'bench' } }),
  )
}

/** For every part that has containers by their IDs. */
export async function removeMany(peer: Peer, ids: readonly string[]): Promise<void> {
  using client = new EngineClient(peer.socketPath, CREATE_WIDTH)
  await inParallel(ids.length, CREATE_WIDTH, (index) => client.remove(ids[index] ?? ''))
}

async function measureLoad(
  stage: Stage,
  what: string,
  connections: number,
  pathOf: (peer: Peer) => string,
): Promise<void> {
  const over = `\`${what}\`, ${connections} connection${connections === 1 ? '' : 's'}`
  const columns = [
    { what: over, unit: '/s' },
    { what: `${over}: 99 % within`, unit: 'ms' },
  ] as const
  await stage.numbers(columns, REPEATS, (peer) => load(peer, pathOf(peer), connections))
}

/** Requests a second, and the time in ms that 99 of 100 take at most. */
async function load(peer: Peer, path: string, connections: number): Promise<[rate: number, slow: number]> {
  using client = new EngineClient(peer.socketPath, connections)
  const times: number[] = []
  const start = performance.now()
  const end = start + scaled(SECONDS * 1000)
  await inParallel(connections, connections, async () => {
    while (performance.now() < end) {
      const asked = performance.now()
      await client.ask('GET', path)
      times.push(performance.now() - asked)
    }
  })
  const seconds = (performance.now() - start) / 1000
  return [
    times.length / seconds,
    quantile(
      times.sort((a, b) => a - b),
      0.99,
    ),
  ]
}
