// The same Docker CLI against our engine and the real dockerd, alternating run by run; medians and ratios.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must } from '../test/harness/command.ts'
import { pushDebian } from '../test/harness/debian.ts'
import { pushBusybox } from '../test/harness/images.ts'
import { startRegistry } from '../test/harness/registry.ts'
import { addLogRows, type AddRow } from './engine-logs.ts'
import { execByApi } from './exec-by-api.ts'
import { alternate, timed } from './measure.ts'
import { machineLine, writeSection } from './report.ts'
import { type Peer, pssBytes, rssBytes, startBerth, startDockerd } from './peers.ts'

interface Row {
  what: string
  unit: 'ms' | 'MB'
  values: number[]
}

const REPEATS = Number(process.env['BENCH_REPEATS'] ?? 15)
const IDLE_CONTAINERS = 10
const PARALLEL_STARTS = 50
/** BENCH_ONLY=logs: those rows alone, and nothing is written. */
const IS_LOGS_ONLY = process.env['BENCH_ONLY'] === 'logs'

const directory = await mkdtemp(join(tmpdir(), 'berth-bench-'))
const registry = await startRegistry(`${directory}/registry`)
const busybox = `${registry.host}/busybox:latest`
const debian = `${registry.host}/debian:bench`
await pushBusybox(registry.host)
await pushDebian(registry.host, 'debian:bench', { upper: 'gzip' })
const berth = await startBerth()
const dockerd = await startDockerd()
const peers: Peer[] = dockerd === undefined ? [berth] : [berth, dockerd]
try {
  for (const peer of peers) await peer.ok('pull', busybox)
  const rows: Row[] = []
  const add: AddRow = async (what, repeats, work) => {
    const values = (await alternate(peers, repeats, work)).map(({ median }) => median)
    rows.push({ what, unit: 'ms', values })
    console.log(formatRow({ what, unit: 'ms', values }))
  }
  if (!IS_LOGS_ONLY) await addGeneralRows(add)
  await addLogRows(add, peers, busybox)
  if (!IS_LOGS_ONLY) {
    rows.push(...(await memory()))
    report(rows)
  }
} finally {
  for (const peer of peers) await peer[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
}

async function addGeneralRows(add: AddRow): Promise<void> {
  await add('`docker run --rm busybox true`', REPEATS, (peer) => timed(() => peer.ok('run', '--rm', busybox, 'true')))
  await add('`docker run --rm --net none busybox true`', REPEATS, (peer) =>
    timed(() => peer.ok('run', '--rm', '--net', 'none', busybox, 'true')),
  )
  await add('`docker version`: what every row holds of the CLI itself, with one request', REPEATS, (peer) =>
    timed(() => peer.ok('version')),
  )
  for (const peer of peers) await peer.ok('run', '-d', '--name', 'exec-target', busybox, 'sleep', '100000')
  await add('`docker exec c true`', REPEATS, (peer) => timed(() => peer.ok('exec', 'exec-target', 'true')))
  await add('the same by the API: create, start, exit code', REPEATS, (peer) =>
    timed(() => execByApi(peer.socketPath, 'exec-target', ['true'])),
  )
  for (const peer of peers) await peer.ok('rm', '-f', 'exec-target')
  await add(`${PARALLEL_STARTS} × \`docker run -d\` at once`, 3, startMany)
  await add('pull and unpack of a Debian image (loopback registry)', 3, async (peer) => {
    await peer.docker('rmi', '-f', debian)
    await peer.settled()
    await must(['sync'])
    return timed(() => peer.ok('pull', debian))
  })
}

async function startMany(peer: Peer): Promise<number> {
  const names = Array.from({ length: PARALLEL_STARTS }, (_, index) => `many-${index}`)
  const elapsed = await timed(() =>
    Promise.all(names.map((name) => peer.ok('run', '-d', '--name', name, busybox, 'sleep', '100000'))),
  )
  await peer.ok('rm', '-f', ...names)
  return elapsed
}

async function memory(): Promise<Row[]> {
  const idle = [...Array(IDLE_CONTAINERS).keys()].map((index) => `idle-${index}`)
  for (const peer of peers)
    for (const name of idle) await peer.ok('run', '-d', '--name', name, busybox, 'sleep', '100000')
  const sum = (pids: number[], measure: (pid: number) => number) =>
    pids.reduce((total, pid) => total + measure(pid), 0) / 1e6
  const row = (what: string, measure: (peer: Peer) => number): Row => ({ what, unit: 'MB', values: peers.map(measure) })
  const rows = [
    row(
      'PSS per idle container (shim and whatever stands beside it)',
      (peer) => sum(peer.shims(), pssBytes) / IDLE_CONTAINERS,
    ),
    row('PSS of both daemons', (peer) => sum(peer.daemons(), pssBytes)),
    row('RSS of both daemons', (peer) => sum(peer.daemons(), rssBytes)),
  ]
  for (const peer of peers) await peer.ok('rm', '-f', ...idle)
  return rows
}

function formatRow({ what, unit, values }: Row): string {
  const [ours = Number.NaN, theirs] = values
  const cell = (value: number | undefined) =>
    value === undefined ? '–' : `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`
  return `| ${what} | ${cell(ours)} | ${cell(theirs)} | ${theirs === undefined ? '–' : `1/${(theirs / ours).toFixed(1)}`} |`
}

function report(rows: Row[]): void {
  const versions = dockerd === undefined ? 'no dockerd here' : 'dockerd of Debian (docker.io), its containerd and runc'
  const text = [
    `Medians; the sides alternate (${REPEATS} rounds for the short ones, 3 for the long ones). ${versions}.`,
    machineLine(),
    '',
    '| what | berth | dockerd | ratio |',
    '|---|---|---|---|',
    ...rows.map(formatRow),
  ].join('\n')
  writeSection('Engine', text)
}
