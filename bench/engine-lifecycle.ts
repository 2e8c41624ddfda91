// Whole lives of containers by the API: create, start, remove; one after another, and many at once.
import { EngineClient, inParallel } from './engine-client.ts'
import type { Peer } from './peers.ts'
import { type Part, type Stage, scaled } from './stage.ts'

/** How many at once, and how many in all: as many as both sides live within the part's limit. */
const LIVES = new Map([
  [1, 8],
  [8, 24],
  [32, 64],
])
const REPEATS = 3

export const lifecyclePart: Part = {
  name: 'lifecycle',
  title: 'Engine: lifecycle',
  about: `By the API: create, start and forced removal of a container of busybox whose program sleeps; medians of ${REPEATS} rounds, the sides alternate.`,
  limitSeconds: 300,
  async measure(stage) {
    for (const network of ['bridge', 'none'])
      for (const [width, count] of LIVES)
        await stage.number({ what: `lives, ${width} at a time (network ${network})`, unit: '/s' }, REPEATS, (peer) =>
          livesPerSecond(stage, peer, { network, width, count: Math.max(width, scaled(count)) }),
        )
  },
}

interface Lives {
  network: string
  /** At once. */
  width: number
  count: number
}

async function livesPerSecond(stage: Stage, peer: Peer, { network, width, count }: Lives): Promise<number> {
  using client = new EngineClient(peer.socketPath, width)
  const body = { Image: stage.image, Cmd: ['sleep', '100000'], HostConfig: { NetworkMode: network } }
  const start = performance.now()
  await inParallel(count, width, async () => {
    const id = await client.create(body)
    await client.start(id)
    await client.remove(id)
  })
  return count / ((performance.now() - start) / 1000)
}
