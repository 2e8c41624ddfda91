// Logs side by side: how fast a container may write, how fast it is read back, how soon a follower has a line.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { summarize, timed } from './measure.ts'
import type { Peer } from './peers.ts'

/** `work` gives milliseconds. */
export type AddRow = (what: string, repeats: number, work: (peer: Peer) => Promise<number>) => Promise<void>

const LOG_BYTES = 200 * 1024 * 1024
const ROUND_TRIPS = 100
const LINE = '0123456789012345678901234567890123456789012345678901234567890123456789'
const REPEATS = 3

export async function addLogRows(add: AddRow, peers: readonly Peer[], image: string): Promise<void> {
  for (const driver of ['json-file', 'local']) {
    // One file for all of it, in both: else ours would keep no more than its default.
    const options = [
      '--log-driver',
      driver,
      '--log-opt',
      'max-size=2g',
      '--log-opt',
      'max-file=2',
      '--log-opt',
      'compress=false',
    ]
    await add(`200 MB of stdout written by a container (${driver})`, REPEATS, async (peer) => {
      await peer.docker('rm', '-f', 'talker')
      const script = `yes ${LINE} | head -c ${LOG_BYTES}`
      return timed(() => peer.ok('run', '--name', 'talker', '-a', 'stdin', ...options, image, 'sh', '-c', script))
    })
    await add(`\`docker logs\` of it (${driver})`, REPEATS, (peer) => timed(() => peer.docker('logs', 'talker')))
    await add(`\`docker logs -n 10\` of it (${driver})`, REPEATS, (peer) =>
      timed(() => peer.ok('logs', '-n', '10', 'talker')),
    )
    for (const peer of peers) await peer.ok('rm', '-f', 'talker')
  }
  await add('a line from standard input through `cat` to a follower of the log', REPEATS, (peer) =>
    followLatency(peer, image),
  )
}

/** The median of many, of what goes into a container by attach and comes out of its log. */
async function followLatency(peer: Peer, image: string): Promise<number> {
  await peer.docker('rm', '-f', 'echo')
  const id = await peer.ok('run', '-d', '-i', '--name', 'echo', image, 'cat')
  const input = await open(
    peer.socketPath,
    `POST /v1.41/containers/${id}/attach?stream=1&stdin=1`,
    'Connection: Upgrade\r\nUpgrade: tcp\r\n',
  )
  const follower = await open(peer.socketPath, `GET /v1.41/containers/${id}/logs?follow=1&stdout=1`, '')
  let seen = ''
  let wake = () => {}
  follower.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1')
    wake()
  })
  const times: number[] = []
  for (let n = 0; n < ROUND_TRIPS; n++) {
    times.push(
      await timed(async () => {
        input.write(`line ${n}.\n`)
        while (!seen.includes(`line ${n}.`)) await new Promise<void>((resolve) => (wake = resolve))
      }),
    )
    seen = ''
  }
  for (const socket of [input, follower]) socket.destroy()
  await peer.ok('rm', '-f', 'echo')
  return summarize(times).median
}

/** Resolves when the answer's head is there. */
async function open(socketPath: string, line: string, headers: string): Promise<Socket> {
  const socket = connect(socketPath)
  socket.write(`${line} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`)
  await once(socket, 'data')
  return socket
}
