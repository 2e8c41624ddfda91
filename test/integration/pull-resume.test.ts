// One pull, cut at twenty random bytes: by the line, by kill -9 of the engine, of containerd and of the registry, and by a disk that is full. What is on disk
// is never asked for again, and in the end the image is whole.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isAlive, startEngine, type TestEngine } from '../harness/berth.ts'
import { type BlobFetch, type BlobProxy, startBlobProxy } from '../harness/blob-proxy.ts'
import { eventually, must } from '../harness/command.ts'
import { makeBusyboxTree, pushImage } from '../harness/images.ts'
import { listLeavings, nothingBut } from '../harness/leavings.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

const CUTS = 20
const SEED = Number(process.env['PULL_CUTS_SEED'] ?? 20)
/** Of the files in the layers; less is not worth being kept. */
const FILE_BYTES = [9_000_000, 5_000_000, 7_000_000]
const KEPT_BYTES_MIN = 16 << 10
const KINDS = ['line', 'engine', 'registry', 'disk', 'containerd'] as const
type Kind = (typeof KINDS)[number]

let directory: string
let engine: TestEngine
let registry: TestRegistry
let proxy: BlobProxy
let image: string
let sums: string
let rest: string[]

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-test-'))
  for (const name of ['data', 'registry', 'layers']) mkdirSync(join(directory, name))
  await must(['mount', '-t', 'tmpfs', '-o', 'size=192m', 'disk', join(directory, 'data')])
  engine = await startEngine({ directory, cgroups: 'own', args: ['--max-download-attempts', '1'] })
  registry = await startRegistry(join(directory, 'registry'))
  proxy = await startBlobProxy(registry.host)
  image = `${proxy.host}/big:1`
  await pushBig()
  rest = await listLeavings(engine)
})

after(async () => {
  await proxy[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await engine.docker(['rm', '-f', '-v', 'big'])
  await engine.stop()
  await must(['umount', '-l', join(directory, 'data')])
  await rm(directory, { recursive: true, force: true })
})

/** busybox, and layers of bytes that no compression makes fewer. */
async function pushBig(): Promise<void> {
  const layers = join(directory, 'layers')
  await makeBusyboxTree(join(layers, 'busybox'))
  await must(['tar', '-C', join(layers, 'busybox'), '-cf', join(layers, 'busybox.tar'), '.'])
  const recipe: { tar: string; compression: 'gzip' | 'none' }[] = [
    { tar: join(layers, 'busybox.tar'), compression: 'gzip' },
  ]
  for (const [at, size] of FILE_BYTES.entries()) {
    const tar = join(layers, `${at}.tar`)
    await must(['sh', '-c', `head -c ${size} /dev/urandom > ${layers}/file${at}`])
    await must(['tar', '-C', layers, '-cf', tar, `file${at}`])
    recipe.push({ tar, compression: at === 1 ? 'gzip' : 'none' })
  }
  sums = await must(['sh', '-c', `cd ${layers} && sha256sum file*`])
  await pushImage(registry.host, 'big:1', { layers: recipe, config: { Cmd: ['sh'] } })
  rmSync(layers, { recursive: true })
}

/** As good as random, and the same each time. Between 0 and 1. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Stored {
  whole: Map<string, number>
  /** How much there is of what is not whole. */
  half: Map<string, number>
}

/** What is on the disk, read from there. */
function stored(): Stored {
  const content = join(directory, 'data/containerd/content')
  const whole = new Map<string, number>()
  for (const hex of readdirSync(join(content, 'blobs/sha256')))
    whole.set(`sha256:${hex}`, statSync(join(content, 'blobs/sha256', hex)).size)
  const half = new Map<string, number>()
  for (const name of readdirSync(join(content, 'ingest'))) {
    const record = join(content, 'ingest', name, 'record.json')
    const data = join(content, 'ingest', name, 'data')
    if (!existsSync(record) || !existsSync(data)) continue
    const { expected } = JSON.parse(readFileSync(record, 'utf8')) as { expected: string }
    half.set(expected, statSync(data).size)
  }
  return { whole, half }
}

/** Bytes of the image's layers. */
function bytesOf({ whole, half }: Stored): number {
  return [...whole, ...half].reduce((sum, [digest, bytes]) => sum + (layerSizes.has(digest) ? bytes : 0), 0)
}

let layerSizes = new Map<string, number>()

async function readLayerSizes(): Promise<void> {
  const url = `http://${registry.host}/v2/big/manifests/1`
  const response = await fetch(url, { headers: { accept: 'application/vnd.oci.image.manifest.v1+json' } })
  const { layers } = (await response.json()) as { layers: { digest: string; size: number }[] }
  layerSizes = new Map(layers.map(({ digest, size }) => [digest, size]))
}

const ballast = () => join(directory, 'data/ballast')

/** To the last byte, whatever the engine frees meanwhile. */
function fillDisk(): void {
  const { bavail, bsize } = statfsSync(join(directory, 'data'))
  try {
    writeFileSync(ballast(), Buffer.alloc(bavail * bsize))
  } catch (error) {
    // What was written meanwhile has taken some of it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

async function happen(kind: Kind): Promise<void> {
  if (kind === 'line') return proxy.cut()
  if (kind === 'engine') return await engine.killEngine()
  if (kind === 'containerd') return await engine.killContainerd()
  if (kind === 'disk') return fillDisk()
  await registry[Symbol.asyncDispose]() // SIGKILL
  proxy.cut() // what it had sent before might be all that is missing
}

async function recover(kind: Kind): Promise<void> {
  if (kind === 'disk') rmSync(ballast())
  if (kind === 'registry') {
    registry = await startRegistry(join(directory, 'registry'))
    proxy.upstream = registry.host
  }
  if (!isAlive(engine.enginePid())) await engine.start()
  await eventually('containerd is there', 20_000, () => isAlive(engine.containerdPid()))
  await eventually('the engine lists images', 20_000, () => engine.ok('images'))
}

/** Nothing that is whole is asked for, and of the rest only what is not on disk. */
function onlyWhatIsMissing(fetches: readonly BlobFetch[], { whole, half }: Stored, what: string): void {
  for (const { digest, from } of fetches) {
    assert.ok(!whole.has(digest), `${what}: ${digest} is here and was asked for again`)
    const there = half.get(digest) ?? 0
    if (there >= KEPT_BYTES_MIN)
      assert.ok(from >= there, `${what}: ${there} bytes of ${digest} are here, asked from ${from}`)
  }
  // One to which nothing came was on a connection that had just been closed, and is asked for again on another.
  const asked = fetches.flatMap(({ digest, sentBytes }) => (sentBytes > 0 ? [digest] : []))
  assert.equal(new Set(asked).size, asked.length, `${what}: each blob is asked for once`)
}

test(`a pull that is cut at ${CUTS} random bytes goes on each time where it was`, async (t) => {
  await readLayerSizes()
  const total = [...layerSizes.values()].reduce((sum, size) => sum + size, 0)
  const random = seeded(SEED)
  const lost = new Map<Kind, number>(KINDS.map((kind) => [kind, 0]))
  let here = stored()
  for (let round = 0; round < CUTS; round++) {
    const kind = KINDS[round % KINDS.length]!
    const missing = total - bytesOf(here)
    const at = 1 + Math.floor(random() * Math.min(missing - 1, (2 * missing) / (CUTS - round + 1)))
    const what = `cut ${round + 1} (${kind}, after ${at} of ${missing} missing bytes, seed ${SEED})`
    proxy.fetches.length = 0
    let happened: Promise<void> | undefined
    proxy.after(at, () => {
      happened = happen(kind)
      return happened
    })
    const pull = await engine.docker(['pull', '-q', image], { timeoutMs: 120_000 })
    assert.ok(happened !== undefined, what)
    await happened
    assert.notEqual(pull.code, 0, what)
    assert.doesNotMatch(pull.stderr, /suppressed/, what)
    if (kind === 'disk') assert.match(pull.stderr, /no space left on device/, what)
    onlyWhatIsMissing(proxy.fetches, here, what)
    await recover(kind)
    const sent = proxy.fetches.reduce((sum, { sentBytes }) => sum + sentBytes, 0)
    const before = bytesOf(here)
    here = stored()
    assert.ok(bytesOf(here) >= before, `${what}: nothing that was here has gone`)
    lost.set(kind, lost.get(kind)! + sent - (bytesOf(here) - before))
  }
  proxy.fetches.length = 0
  await engine.ok('pull', '-q', image)
  onlyWhatIsMissing(proxy.fetches, here, 'the last pull')
  const sent = proxy.fetches.reduce((sum, { digest, sentBytes }) => sum + (layerSizes.has(digest) ? sentBytes : 0), 0)
  assert.equal(sent, total - bytesOf(here), 'what was missing, and no more')
  const words = [...lost].map(([kind, bytes]) => `${kind} ${bytes}`).join(', ')
  t.diagnostic(`${total} bytes of layers; sent, but not on disk when it happened: ${words}`)

  assert.equal(await engine.ok('run', '--rm', '--name', 'big', image, 'sh', '-c', 'sha256sum file*'), sums)
  await engine.ok('rmi', image)
  await nothingBut(rest, engine)
})
