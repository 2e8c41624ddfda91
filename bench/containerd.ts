// Our containerd beside the original one: the same ctr against both, alternating run by run.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { eventually, must, run } from '../test/harness/command.ts'
import { BIN } from '../test/harness/root.ts'
import { startRealContainerd } from '../test/harness/real-containerd.ts'
import { type LayerImage, makeLayerArchive } from './layer-images.ts'
import { summarize, timed } from './measure.ts'
import { pssBytes, rssBytes } from './peers.ts'
import { machineLine, writeSection } from './report.ts'

interface Side extends AsyncDisposable {
  address: string
  pid: number
  /** Where its overlay snapshots are. */
  snapshots: string
}

const REPEATS = Number(process.env['BENCH_REPEATS'] ?? 15)
const LONG_REPEATS = Number(process.env['BENCH_LONG_REPEATS'] ?? 3)
const PARALLEL = 100
const IMAGES = 1000
const MB = 1 << 20

const WEIGHTS: readonly (LayerImage & { what: string })[] = [
  { what: '50 000 small files, 1 layer', name: 'bench/small-1:latest', files: 50_000, fileBytes: 600, layers: 1 },
  { what: '50 000 small files, 8 layers', name: 'bench/small-8:latest', files: 50_000, fileBytes: 600, layers: 8 },
  { what: '2 GB of large files, 1 layer', name: 'bench/large-1:latest', files: 64, fileBytes: 32 * MB, layers: 1 },
  { what: '2 GB of large files, 8 layers', name: 'bench/large-8:latest', files: 64, fileBytes: 32 * MB, layers: 8 },
]

writeSection('containerd', await measureContainerd())

async function measureContainerd(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-bench-'))
  await using ours = await startOurs(join(directory, 'ours'))
  await using theirs = await startTheirs()
  const sides = [ours, theirs]
  const rows: string[] = []
  const add = (row: string): void => {
    console.log(row)
    rows.push(row)
  }
  const time = async (what: string, repeats: number, work: (side: Side) => Promise<unknown>, before?: Prepare) => {
    add(formatRow(what, 'ms', await alternate(sides, repeats, work, before)))
  }
  try {
    const small = { name: 'bench/busybox:latest', files: 1, fileBytes: 1, layers: 1 }
    const busybox = await makeLayerArchive(directory, small)
    for (const side of sides) await ctr(side, 'images', 'import', busybox)
    let count = 0
    const id = () => `c${++count}`
    const runTrue = (side: Side) => ctr(side, 'run', '--rm', '--null-io', small.name, id(), '/busybox', 'true')
    await time('`ctr version`: what every row holds of ctr itself', REPEATS, (side) => ctr(side, 'version'))
    await time('`ctr run --rm` of `true`', REPEATS, runTrue)
    await time(`${PARALLEL} × \`ctr run -d\` at once`, LONG_REPEATS, startMany, removeAll)
    for (const side of sides) await removeAll(side)
    for (const image of WEIGHTS) {
      const archive = await makeLayerArchive(directory, image)
      const [imports, removals] = await comeAndGo(sides, archive, image.name)
      add(formatRow(`import and unpack: ${image.what}`, 'ms', imports))
      add(formatRow(`removal, to the last file: ${image.what}`, 'ms', removals))
      await rm(archive)
    }
    for (const side of sides) await tagMany(side, small.name)
    await time(`\`ctr images ls -q\` with ${IMAGES} images`, REPEATS, (side) => ctr(side, 'images', 'ls', '-q'))
    add(
      formatRow(
        'RSS of the daemon after all that',
        'MB',
        sides.map(({ pid }) => rssBytes(pid) / 1e6),
      ),
    )
    add(
      formatRow(
        'PSS of the daemon after all that',
        'MB',
        sides.map(({ pid }) => pssBytes(pid) / 1e6),
      ),
    )
  } finally {
    for (const side of sides) await removeAll(side)
    await rm(directory, { recursive: true, force: true })
  }
  const version = (await must(['containerd', '--version'])).split(' ')[2]
  const head = [
    `\`make bench BENCH=containerd\`: the same ctr against both; medians of ${REPEATS} rounds, of ${LONG_REPEATS} (BENCH_LONG_REPEATS) where it takes long; the sides alternate.`,
    `The original is containerd ${version} with its shim and runc. ${machineLine()}`,
    '',
  ]
  return [...head, '| what | berth-containerd | containerd | ratio |', '|---|---|---|---|', ...rows, ''].join('\n')

  async function startMany(side: Side): Promise<void> {
    const names = Array.from({ length: PARALLEL }, (_, index) => `many-${process.pid}-${index}`)
    const image = 'bench/busybox:latest'
    await Promise.all(names.map((name) => ctr(side, 'run', '-d', '--null-io', image, name, '/busybox', 'sleep', '999')))
  }
}

type Prepare = (side: Side) => Promise<void>

function ctr(side: Side, ...args: string[]): Promise<string> {
  return must(['ctr', '-a', side.address, ...args], { timeoutMs: 600_000 })
}

/** With `--sync` the answer comes after the collection; the directories go with it or soon after, and are waited for. */
async function removeImage(side: Side, name: string): Promise<void> {
  await ctr(side, 'images', 'rm', '--sync', name)
  while (readdirSync(side.snapshots).length > 1) await new Promise((resolve) => setTimeout(resolve, 2)) // busybox stays
}

async function removeAll(side: Side): Promise<void> {
  const names = (await ctr(side, 'containers', 'ls', '-q')).split('\n').filter(Boolean)
  await Promise.all(names.map((name) => run(['ctr', '-a', side.address, 'tasks', 'rm', '-f', name])))
  if (names.length > 0) await ctr(side, 'containers', 'rm', ...names)
}

async function tagMany(side: Side, image: string): Promise<void> {
  for (let index = 0; index < IMAGES; index += 50) {
    const names = Array.from({ length: 50 }, (_, at) => `bench/tag-${index + at}:latest`)
    await ctr(side, 'images', 'tag', image, ...names)
  }
}

/** Medians per side, milliseconds. `before` is not measured, nor is the first round. */
async function alternate(
  sides: readonly Side[],
  repeats: number,
  work: (side: Side) => Promise<unknown>,
  before: Prepare = async () => {},
): Promise<number[]> {
  const samples = sides.map((): number[] => [])
  for (let round = 0; round <= repeats; round++)
    for (const [index, side] of sides.entries()) {
      await before(side)
      const start = process.hrtime.bigint()
      await work(side)
      if (round > 0) samples[index]?.push(Number(process.hrtime.bigint() - start) / 1e6)
    }
  return samples.map((values) => summarize(values).median)
}

/** Medians per side of an image's import and of its removal, milliseconds. */
async function comeAndGo(sides: readonly Side[], archive: string, name: string): Promise<[number[], number[]]> {
  const samples = sides.map(() => ({ imports: [] as number[], removals: [] as number[] }))
  for (let round = 0; round < LONG_REPEATS; round++)
    for (const [index, side] of sides.entries()) {
      samples[index]?.imports.push(await timed(() => ctr(side, 'images', 'import', archive)))
      samples[index]?.removals.push(await timed(() => removeImage(side, name)))
    }
  const median = (kind: 'imports' | 'removals') => samples.map((sample) => summarize(sample[kind]).median)
  return [median('imports'), median('removals')]
}

function formatRow(what: string, unit: string, [ours = Number.NaN, theirs = Number.NaN]: number[]): string {
  const cell = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`
  return `| ${what} | ${cell(ours)} | ${cell(theirs)} | 1/${(theirs / ours).toFixed(1)} |`
}

async function startOurs(directory: string): Promise<Side> {
  await mkdir(directory, { recursive: true })
  const address = join(directory, 'c.sock')
  const output = openSync(join(directory, 'log'), 'a')
  const places = ['--root', join(directory, 'root'), '--state', join(directory, 'state'), '--address', address]
  const child = spawn(join(BIN, 'berth-containerd'), places, { stdio: ['ignore', output, output] })
  closeSync(output)
  const gone = new Promise((resolve) => child.once('exit', resolve))
  await eventually(
    'our containerd answers',
    30_000,
    async () => (await run(['ctr', '-a', address, 'version'])).code === 0,
  )
  return {
    address,
    pid: child.pid ?? 0,
    snapshots: join(directory, 'root/overlayfs/snapshots'),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await gone
    },
  }
}

async function startTheirs(): Promise<Side> {
  const daemon = await startRealContainerd()
  const [pid = ''] = (await must(['pgrep', '-f', `containerd -c ${daemon.address.replace(/c\.sock$/, '')}`])).split(
    '\n',
  )
  return {
    address: daemon.address,
    pid: Number(pid),
    snapshots: join(dirname(daemon.address), 'root/io.containerd.snapshotter.v1.overlayfs/snapshots'),
    [Symbol.asyncDispose]: () => Promise.resolve(daemon[Symbol.asyncDispose]()),
  }
}
