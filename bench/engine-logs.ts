// Logs side by side: how fast a container may write, how fast it is read back, how soon a follower has a line.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { curl, EngineClient } from './engine-client.ts'
import { interruption } from './interruption.ts'
import { quantile, timed } from './measure.ts'
import type { Peer } from './peers.ts'
import { type Part, type Stage, scaled } from './stage.ts'

const LOG_MB = 200
const ROUND_TRIPS = 300
const LINE = '0123456789'.repeat(7)
const REPEATS = 3
/** One file for all of it, in both: else ours would keep no more than its default. */
const ONE_FILE = { 'max-size': '2g', 'max-file': '2', compress: 'false' }

export const logsPart: Part = {
  name: 'logs',
  title: 'Engine: logs',
  about: `Lines of ${LINE.length} bytes and their end, read back by curl and by the Docker CLI; medians of ${REPEATS} rounds, the sides alternate.`,
  limitSeconds: 420,
  async measure(stage) {
    for (const driver of ['json-file', 'local']) await measureThroughput(stage, driver)
    await stage.numbers(
      [
        { what: 'a line from standard input through `cat` to a follower of the log: median', unit: 'ms' },
        { what: 'the same: 99 % within', unit: 'ms' },
      ],
      REPEATS,
      (peer) => followLatency(stage, peer),
    )
  },
}

async function measureThroughput(stage: Stage, driver: string): Promise<void> {
  const megabytes = scaled(LOG_MB)
  const rate = (ms: number) => megabytes / (ms / 1000)
  const columns = [
    { what: `${LOG_MB} MB of stdout written by a container (${driver})`, unit: 'MB/s' },
    { what: '`GET /containers/{id}/logs` of it', unit: 'MB/s' },
    { what: '`docker logs` of it', unit: 'MB/s' },
    { what: '`docker logs -n 10` of it', unit: 'ms' },
  ] as const
  await stage.numbers(columns, REPEATS, async (peer) => {
    using client = new EngineClient(peer.socketPath, 2)
    const script = `yes ${LINE} | head -c ${megabytes}000000`
    const host = { NetworkMode: 'none', LogConfig: { Type: driver, Config: ONE_FILE } }
    const id = await client.create({ Image: stage.image, Cmd: ['sh', '-c', script], HostConfig: host })
    try {
      const written = await timed(async () => {
        await client.start(id)
        await client.ask('POST', `/containers/${id}/wait`)
      })
      const read = await timed(() => readBack(peer, id, megabytes))
      const printed = await timed(() => peer.ok('logs', id))
      return [rate(written), rate(read), rate(printed), await timed(() => peer.ok('logs', '-n', '10', id))]
    } finally {
      await client.remove(id)
    }
  })
}

async function readBack(peer: Peer, id: string, megabytes: number): Promise<void> {
  const counted = ['-o', '/dev/null', '-w', '%{size_download}']
  const received = Number(await curl(peer.socketPath, `/containers/${id}/logs?stdout=1`, counted))
  if (received < megabytes * 1e6) throw new Error(`${peer.name} gave ${received} bytes of ${megabytes} MB`)
}

/** Median and 99th percentile, ms, of what goes into a container by attach and comes out of its log. */
async function followLatency(stage: Stage, peer: Peer): Promise<[median: number, slow: number]> {
  using client = new EngineClient(peer.socketPath, 1)
  const id = await client.create({
    Image: stage.image,
    Cmd: ['cat'],
    OpenStdin: true,
    HostConfig: { NetworkMode: 'none' },
  })
  const sockets: Socket[] = []
  try {
    await client.start(id)
    const attach = `POST /v1.41/containers/${id}/attach?stream=1&stdin=1`
    const input = await open(peer.socketPath, attach, 'Connection: Upgrade\r\nUpgrade: tcp\r\n')
    sockets.push(input)
    const follower = await open(peer.socketPath, `GET /v1.41/containers/${id}/logs?follow=1&stdout=1`, '')
    sockets.push(follower)
    const times = await measureRoundTrips(input, follower)
    return [quantile(times, 0.5), quantile(times, 0.99)]
  } finally {
    for (const socket of sockets) socket.destroy()
    await client.remove(id)
  }
}

/** In order. */
async function measureRoundTrips(input: Socket, follower: Socket): Promise<number[]> {
  let seen = ''
  let wake = () => {}
  follower.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1')
    wake()
  })
  const times: number[] = []
  for (let n = 0; n < scaled(ROUND_TRIPS); n++) {
    interruption.throwIfAborted()
    const line = `line ${n}.`
    times.push(
      await timed(async () => {
        input.write(`${line}\n`)
        while (!seen.includes(line)) await new Promise<void>((resolve) => (wake = resolve))
      }),
    )
    seen = ''
  }
  return times.sort((a, b) => a - b)
}

/** Resolves when the answer's head is there. */
async function open(socketPath: string, line: string, headers: string): Promise<Socket> {
  const socket = connect(socketPath)
  socket.write(`${line} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`)
  await once(socket, 'data')
  return socket
}
