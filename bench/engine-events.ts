// Events to a follower: how soon it has one, and how many a second when many clients cause them.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { EngineClient, inParallel } from './engine-client.ts'
import { startSleepers } from './engine-idle.ts'
import { removeMany } from './engine-ps.ts'
import { quantile } from './measure.ts'
import type { Peer } from './peers.ts'
import { type Column, type Part, type Stage, scaled } from './stage.ts'

const SINGLE_EVENTS = 300
const EVENTS = 5000
const CONNECTIONS = 16
const REPEATS = 3

const COLUMNS: readonly Column[] = [
  { what: 'from the request that causes an event to the follower: median', unit: 'ms' },
  { what: 'the same: 99 % within', unit: 'ms' },
  { what: `events to a follower that ${CONNECTIONS} clients cause as fast as they can`, unit: '/s' },
]

export const eventsPart: Part = {
  name: 'events',
  title: 'Engine: events',
  about: `Events of \`POST /containers/{id}/exec\`, which starts nothing and writes nothing; medians of ${REPEATS} rounds, the sides alternate.`,
  limitSeconds: 180,
  async measure(stage) {
    await stage.numbers(COLUMNS, REPEATS, (peer) => measureEvents(stage, peer))
  },
}

async function measureEvents(stage: Stage, peer: Peer): Promise<number[]> {
  const ids: string[] = []
  using client = new EngineClient(peer.socketPath, CONNECTIONS)
  try {
    await startSleepers(stage, peer, { count: 1, ids, network: 'none' })
    const cause = () => client.ask('POST', `/containers/${ids[0]}/exec`, { Cmd: ['true'] })
    const filters = encodeURIComponent(JSON.stringify({ type: ['container'], event: ['exec_create'] }))
    const stream = await client.follow(`/events?filters=${filters}`)
    const follower = new Follower(stream)
    try {
      const times = await measureLatency(follower, cause)
      return [quantile(times, 0.5), quantile(times, 0.99), await measureRate(follower, cause)]
    } finally {
      stream.destroy()
    }
  } finally {
    await removeMany(peer, ids)
  }
}

/** Counts what comes. */
class Follower {
  readonly #stream: IncomingMessage
  #seen = 0

  constructor(stream: IncomingMessage) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 0x0a) this.#seen++
    })
  }

  get seen(): number {
    return this.#seen
  }

  /** Resolves when so many have come in all. */
  async reaches(count: number): Promise<void> {
    while (this.#seen < count) await once(this.#stream, 'data')
  }
}

/** Milliseconds, in order. */
async function measureLatency(follower: Follower, cause: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < scaled(SINGLE_EVENTS); n++) {
    const start = performance.now()
    const seen = follower.reaches(follower.seen + 1).then(() => times.push(performance.now() - start))
    await Promise.all([cause(), seen])
  }
  return times.sort((a, b) => a - b)
}

async function measureRate(follower: Follower, cause: () => Promise<unknown>): Promise<number> {
  const count = scaled(EVENTS)
  const before = follower.seen
  const start = performance.now()
  await Promise.all([inParallel(count, CONNECTIONS, cause), follower.reaches(before + count)])
  return count / ((performance.now() - start) / 1000)
}
