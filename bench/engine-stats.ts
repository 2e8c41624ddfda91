// What it costs a daemon that somebody watches: a hundred containers' stats, each by a stream of its own as `docker stats` has them.
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { EngineClient } from './engine-client.ts'
import { startSleepers } from './engine-idle.ts'
import { removeMany } from './engine-ps.ts'
import { interruption } from './interruption.ts'
import type { Peer } from './peers.ts'
import { type Column, type Part, type Stage, scaled } from './stage.ts'

const CONTAINERS = 100
const WATCH_SECONDS = 15
/** Of what /proc counts in: proc_pid_stat(5), sysconf(_SC_CLK_TCK). */
const TICKS_PER_SECOND = 100

const COLUMNS: readonly Column[] = [
  { what: 'CPU of the daemons with nobody watching', unit: 's' },
  { what: `CPU of the daemons with ${CONTAINERS} streams`, unit: 's' },
  { what: 'CPU of daemons and shims with them', unit: 's' },
  { what: 'samples that a stream gave a second', unit: '/s' },
]

export const statsPart: Part = {
  name: 'stats',
  title: 'Engine: stats',
  about: `${CONTAINERS} containers that sleep, watched for ${WATCH_SECONDS} s by the API; one round.`,
  limitSeconds: 240,
  measure: (stage) => stage.numbers(COLUMNS, 1, (peer) => measureStats(stage, peer)),
}

async function measureStats(stage: Stage, peer: Peer): Promise<number[]> {
  const ids: string[] = []
  try {
    await startSleepers(stage, peer, { count: scaled(CONTAINERS), ids })
    const rest = await watch(peer, [])
    const watched = await watch(peer, ids)
    return [rest.daemons, watched.daemons, watched.all, watched.samples / ids.length / scaled(WATCH_SECONDS)]
  } finally {
    await removeMany(peer, ids)
  }
}

interface Cost {
  /** CPU seconds. */
  daemons: number
  all: number
  samples: number
}

async function watch(peer: Peer, ids: readonly string[]): Promise<Cost> {
  using client = new EngineClient(peer.socketPath, 1)
  const streams: IncomingMessage[] = []
  try {
    let samples = 0
    for (const id of ids) {
      const stream = await client.follow(`/containers/${id}/stats?stream=1`)
      streams.push(stream)
      stream.on('data', (chunk: Buffer) => {
        samples += countLines(chunk)
      })
    }
    // The first sample of each is of the start.
    await delay(2000, undefined, { signal: interruption })
    const [daemons, shims, seen] = [cpuSeconds(peer.daemons()), cpuSeconds(peer.shims()), samples]
    await delay(scaled(WATCH_SECONDS) * 1000, undefined, { signal: interruption })
    const ours = cpuSeconds(peer.daemons()) - daemons
    return { daemons: ours, all: ours + cpuSeconds(peer.shims()) - shims, samples: samples - seen }
  } finally {
    for (const stream of streams) stream.destroy()
  }
}

function countLines(chunk: Buffer): number {
  let lines = 0
  for (const byte of chunk) if (byte === 0x0a) lines++
  return lines
}

/** Of user and kernel, of all their threads, since they began. */
function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((total, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [user, kernel] = [fields[11], fields[12]].map(Number)
    return total + ((user ?? 0) + (kernel ?? 0)) / TICKS_PER_SECOND
  }, 0)
}
