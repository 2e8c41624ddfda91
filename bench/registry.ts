// berth-registry beside Debian's docker-registry, each on a directory of its own and on loopback: pushes and pulls of large blobs, small requests
// at 64 connections, memory. The load is a Node program of one thread for both, so that very small answers measure it, too.
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { eventually } from '../test/harness/command.ts'
import { manifestOf } from '../test/harness/our-registry.ts'
import { freePort } from '../test/harness/registry.ts'
import { BIN } from '../test/harness/root.ts'
import { alternate, type Sample, timed } from './measure.ts'
import { rssBytes } from './peers.ts'
import { machineLine, writeSection } from './report.ts'

const REPEATS = Number(process.env['BENCH_REPEATS'] ?? 5)
const BLOB_BYTES = 256 * 1024 * 1024
const CONNECTIONS = 64
const REQUESTS = 6400

interface Side {
  name: string
  port: number
  pid: number
  end(): Promise<void>
}

const directory = await mkdtemp(join(tmpdir(), 'berth-bench-registry-'))
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })

async function start(name: string, argv: readonly string[]): Promise<Side> {
  const port = await freePort()
  const config = join(directory, `${name}.yml`)
  const storage = { filesystem: { rootdirectory: join(directory, name) }, delete: { enabled: true } }
  const log = { level: 'error', accesslog: { disabled: true } }
  writeFileSync(config, JSON.stringify({ version: '0.1', log, storage, http: { addr: `127.0.0.1:${port}` } }))
  const [program = '', ...words] = argv
  const child = spawn(program, [...words, config], { stdio: 'ignore' })
  await eventually(`${name} answers`, 20_000, async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok)
  const end = async (): Promise<void> => {
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  return { name, port, pid: child.pid ?? 0, end }
}

interface Answer {
  status: number
  location: string
  bytes: number
}

function exchange({ port }: Side, method: string, path: string, body?: Buffer, type?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': body.length }
    const headers = { ...length, ...(type === undefined ? {} : { 'content-type': type, accept: type }) }
    const sent = request({ host: '127.0.0.1', port, method, path, agent, headers }, (response) => {
      let bytes = 0
      response.on('data', (part: Buffer) => {
        bytes += part.length
      })
      const location = response.headers.location ?? ''
      response.on('end', () => resolve({ status: response.statusCode ?? 0, location, bytes }))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function must(answer: Promise<Answer>, status: number): Promise<Answer> {
  const given = await answer
  if (given.status !== status) throw new Error(`status ${given.status}, not ${status}`)
  return given
}

async function push(side: Side, name: string, bytes: Buffer, digest: string): Promise<void> {
  const { location } = await must(exchange(side, 'POST', `/v2/${name}/blobs/uploads/`), 202)
  const { pathname, search } = new URL(location, 'http://x')
  await must(exchange(side, 'PUT', `${pathname}${search}${search === '' ? '?' : '&'}digest=${digest}`, bytes), 201)
}

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** Seconds of the whole, and milliseconds of each. */
async function storm(work: (at: number) => Promise<unknown>, count: number): Promise<{ rate: number; p99: number }> {
  const times: number[] = []
  let next = 0
  const seconds =
    (await timed(async () => {
      const worker = async () => {
        while (next < count) {
          const at = next++
          times.push(await timed(() => work(at)))
        }
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, worker))
    })) / 1000
  times.sort((a, b) => a - b)
  return { rate: count / seconds, p99: times[Math.floor(times.length * 0.99)] ?? Number.NaN }
}

const sides = [
  await start('berth-registry', [join(BIN, 'berth-registry'), 'serve']),
  await start('docker-registry', ['docker-registry', 'serve']),
]
const rows: string[][] = []
const add = (what: string, cells: readonly string[]) => {
  rows.push([what, ...cells])
  console.log(what, ...cells)
}

try {
  add(
    'memory when started',
    sides.map(({ pid }) => megabytes(rssBytes(pid))),
  )
  const blobs = Array.from({ length: REPEATS + 1 }, () => randomBytes(BLOB_BYTES)) // the first is not measured
  let turn = 0
  const pushes = await alternate(sides, REPEATS, async (side) => {
    const bytes = blobs[Math.floor(turn++ / sides.length)]!
    const digest = digestOf(bytes)
    return timed(() => push(side, 'large', bytes, digest))
  })
  add('push of 256 MiB', pushes.map(throughput))
  const last = digestOf(blobs[0]!)
  const pulls = await alternate(sides, REPEATS, (side) =>
    timed(() => must(exchange(side, 'GET', `/v2/large/blobs/${last}`), 200)),
  )
  add('pull of 256 MiB', pulls.map(throughput))
  const image = manifestOf([Buffer.from('{"architecture":"amd64","os":"linux"}'), Buffer.from('layer')])
  const type = 'application/vnd.oci.image.manifest.v1+json'
  for (const side of sides) {
    for (const blob of image.blobs) await push(side, 'small', blob, digestOf(blob))
    await must(exchange(side, 'PUT', '/v2/small/manifests/latest', image.bytes, type), 201)
  }
  for (const [what, path, status] of [
    ['GET of a manifest by tag', '/v2/small/manifests/latest', 200],
    ['GET of a blob of 5 bytes', `/v2/small/blobs/${digestOf(image.blobs[1]!)}`, 200],
    ['GET /v2/', '/v2/', 200],
  ] as const) {
    const cells: string[] = []
    for (const side of sides) {
      await storm(() => exchange(side, 'GET', path, undefined, type), CONNECTIONS * 10)
      const { rate, p99 } = await storm(() => must(exchange(side, 'GET', path, undefined, type), status), REQUESTS)
      cells.push(`${rate.toFixed(0)}/s, ${p99.toFixed(0)} ms`)
    }
    add(what, cells)
  }
  const cells: string[] = []
  for (const side of sides) {
    const small = Array.from({ length: 640 }, () => randomBytes(1000))
    const { rate, p99 } = await storm((at) => push(side, 'many', small[at]!, digestOf(small[at]!)), small.length)
    cells.push(`${rate.toFixed(0)}/s, ${p99.toFixed(0)} ms`)
  }
  add('push of a blob of 1 kB', cells)
  add(
    'memory after all that',
    sides.map(({ pid }) => megabytes(rssBytes(pid))),
  )
  writeSection('Registry', report())
} finally {
  for (const side of sides) await side.end()
  await rm(directory, { recursive: true, force: true })
}

function report(): string {
  const head = ['', ...sides.map(({ name }) => name)]
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  return [
    machineLine(),
    '',
    `Blobs: median of ${REPEATS}. Requests: ${REQUESTS} over ${CONNECTIONS} connections, rate and 99th percentile; the load shares the machine with the registry.`,
    'Both sync the bytes of a blob before they acknowledge it; ours also its names in the directories.',
    '',
    ...lines,
  ].join('\n')
}

function throughput({ median }: Sample): string {
  return `${(BLOB_BYTES / 1e6 / (median / 1000)).toFixed(0)} MB/s`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
