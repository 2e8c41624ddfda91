// What containers cost that do nothing: the time to start hundreds, and the memory that they and the daemons hold.
import { EngineClient, inParallel } from './engine-client.ts'
import { removeMany } from './engine-ps.ts'
import { type Peer, pssBytes, rssBytes } from './peers.ts'
import { type Column, type Part, type Stage, scaled } from './stage.ts'

const CONTAINERS = 500
const START_WIDTH = 16

const COLUMNS: readonly Column[] = [
  { what: `create and start of ${CONTAINERS} containers, ${START_WIDTH} at a time`, unit: 's' },
  { what: 'PSS of both daemons before', unit: 'MB' },
  { what: 'PSS of both daemons with them', unit: 'MB' },
  { what: 'RSS of both daemons with them', unit: 'MB' },
  { what: 'the daemons’ growth per container, PSS', unit: 'MB' },
  { what: 'PSS per container of what stands beside it (shim)', unit: 'MB' },
  { what: 'PSS of daemons and shims together', unit: 'MB' },
]

export const idlePart: Part = {
  name: 'idle',
  title: 'Engine: idle containers',
  about: `${CONTAINERS} containers of busybox whose program sleeps, started by the API on the default network; one round.`,
  limitSeconds: 420,
  measure: (stage) => stage.numbers(COLUMNS, 1, (peer) => measureIdle(stage, peer)),
}

async function measureIdle(stage: Stage, peer: Peer): Promise<number[]> {
  const count = scaled(CONTAINERS)
  const before = sum(peer.daemons(), pssBytes)
  const ids: string[] = []
  try {
    const seconds = await startSleepers(stage, peer, { count, ids })
    const [daemons, shims] = [sum(peer.daemons(), pssBytes), sum(peer.shims(), pssBytes)]
    const resident = sum(peer.daemons(), rssBytes)
    return [seconds, before, daemons, resident, (daemons - before) / count, shims / count, daemons + shims]
  } finally {
    await removeMany(peer, ids)
  }
}

/** Adds the IDs to `ids` as they come, for who removes them; gives the seconds that it took. */
export async function startSleepers(
  stage: Stage,
  peer: Peer,
  { count, ids, network = 'bridge' }: { count: number; ids: string[]; network?: string },
): Promise<number> {
  using client = new EngineClient(peer.socketPath, START_WIDTH)
  const body = { Image: stage.image, Cmd: ['sleep', '100000'], HostConfig: { NetworkMode: network } }
  const start = performance.now()
  await inParallel(count, START_WIDTH, async () => {
    const id = await client.create(body)
    ids.push(id)
    await client.start(id)
  })
  return (performance.now() - start) / 1000
}

/** In MB. */
function sum(pids: readonly number[], measure: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + measure(pid), 0) / 1e6
}
