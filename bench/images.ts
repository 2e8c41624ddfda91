// Images on their way: pull, push, save, load and commit of many small files and of few large ones, by our engine, dockerd, podman and containerd
// in one run. The registry is the original one, on the loopback. BENCH_ONLY=push,save chooses verbs, BENCH_BESIDE=dockerd whom ours is compared
// with, BENCH_WEIGHT=large the image; then nothing is written.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, must } from '../test/harness/command.ts'
import { startRegistry } from '../test/harness/registry.ts'
import { type ImageSide, startImageSides } from './image-sides.ts'
import { type Watched, watch } from './image-watch.ts'
import { interruptOnSignals } from './interruption.ts'
import { makeLayerArchive } from './layer-images.ts'
import { summarize } from './measure.ts'
import { machineLine, writeSection } from './report.ts'
import { SCALE, scaled } from './stage.ts'

interface Weight {
  what: string
  name: string
  files: number
  fileBytes: number
  layers: number
  repeats: number
  /** What a container of it writes, so that its own layer is like one of the image's. */
  written: { what: string; script: string }
}

const MB = 1024 * 1024
const SMALL_BYTES = 600

const VERBS = ['pull', 'push', 'save', 'load', 'commit', 'commit-run'] as const
type Verb = (typeof VERBS)[number]

const WEIGHTS: readonly Weight[] = [small(scaled(50_000), 8), large(scaled(64), 4)].filter(({ name }) =>
  name.includes(process.env['BENCH_WEIGHT'] ?? ''),
)

interface Rounds {
  /** Per verb and side. */
  of: Map<Verb, Map<ImageSide, Watched[]>>
}

interface Row {
  what: string
  cells: (Watched | undefined)[]
}

const chosen = chooseVerbs(process.env['BENCH_ONLY'])
const beside = process.env['BENCH_BESIDE']?.split(',')
interruptOnSignals()
const directory = await mkdtemp(join(tmpdir(), 'berth-bench-images-'))
const rows: Row[] = []
const opened: AsyncDisposable[] = []
try {
  const registry = await startRegistry(join(directory, 'registry'))
  opened.push(registry)
  const sides = await startImageSides((name) => beside?.includes(name) ?? true)
  opened.push(...sides)
  for (const weight of WEIGHTS) await measureWeight(sides, weight, registry.host)
  const text = report(sides)
  if (SCALE < 1 || beside !== undefined || WEIGHTS.length < 2 || chosen.length < VERBS.length) console.log(text)
  else writeSection('Images', text)
} finally {
  for (const each of opened.reverse()) await each[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
}

async function measureWeight(sides: readonly ImageSide[], weight: Weight, registry: string): Promise<void> {
  const name = `${registry}/${weight.name}`
  const archive = await publish(name, weight)
  const rounds: Rounds = { of: new Map() }
  for (let round = 0; round < weight.repeats; round++)
    for (const side of sides) await measureRound(rounds, side, { weight, name, archive })
  for (const verb of chosen) {
    const of = rounds.of.get(verb)
    const cells = sides.map((side) => medianOf(of?.get(side)))
    rows.push({ what: `${whatOf(verb, weight)}: ${weight.what}`, cells })
  }
  await rm(archive)
}

function whatOf(verb: Verb, { written }: Weight): string {
  if (verb === 'commit') return `commit of a container of it with ${written.what}`
  return verb === 'commit-run' ? `the same, and a container of what was committed, to its end` : verb
}

/** Into the registry, and as an archive of Docker's format, with its layers as they are: the one that all of them load. */
async function publish(name: string, weight: Weight): Promise<string> {
  const layout = await makeLayerArchive(directory, { ...weight, name })
  const archive = join(directory, 'docker.tar')
  const copy = ['skopeo', '--insecure-policy', 'copy', '-q', '--dest-tls-verify=false', `oci-archive:${layout}`]
  await must([...copy, `docker://${name}`], { timeoutMs: 600_000 })
  await must([...copy, `docker-archive:${archive}:${name}`], { timeoutMs: 600_000 })
  await rm(layout)
  return archive
}

interface Image {
  weight: Weight
  name: string
  archive: string
}

/** All verbs of one side, one after the other: none finds anything of the verb before but what it needs. */
async function measureRound(rounds: Rounds, side: ImageSide, { weight, name, archive }: Image): Promise<void> {
  const measure = async (verb: Verb, argv: readonly string[]) => {
    if (!chosen.includes(verb)) return void (await must(argv, { env: side.env, timeoutMs: 600_000 }))
    await must(['sync'], { timeoutMs: 300_000 })
    const watched = await watch(side, argv)
    const line = `${side.name}: ${verb} ${weight.what}: ${watched.elapsed.toFixed(0)} ms, ${megabytes(watched.peakBytes)}`
    console.log(line)
    const of = rounds.of.get(verb) ?? new Map<ImageSide, Watched[]>()
    of.set(side, [...(of.get(side) ?? []), watched])
    rounds.of.set(verb, of)
  }
  await measure('pull', side.pull(name))
  if (chosen.includes('push')) await toEmptyRegistry(side, name, (other) => measure('push', side.push(other)))
  if (chosen.includes('save')) {
    const saved = join(directory, 'saved.tar')
    await measure('save', side.save(name, saved))
    await rm(saved)
  }
  if ((chosen.includes('commit') || chosen.includes('commit-run')) && side.commits)
    await measureCommits(side, name, weight, measure)
  if (chosen.includes('load')) {
    await side.remove(name)
    await measure('load', side.load(archive))
  }
  await side.remove(name)
}

/** Where all has to be sent. */
async function toEmptyRegistry(side: ImageSide, name: string, push: (name: string) => Promise<void>): Promise<void> {
  const data = join(directory, 'empty')
  const registry = await startRegistry(data)
  const other = `${registry.host}/pushed:latest`
  try {
    await must(side.tag(name, other), { env: side.env })
    await push(other)
  } finally {
    await side.remove(other)
    await registry[Symbol.asyncDispose]()
    await rm(data, { recursive: true, force: true })
  }
}

async function measureCommits(
  side: ImageSide,
  name: string,
  { written }: Weight,
  measure: (verb: Verb, argv: readonly string[]) => Promise<void>,
): Promise<void> {
  const commit = side.commit('committed')
  const run = side.run('committed', '/busybox', 'true')
  try {
    await side.start(name, '/busybox', 'sh', '-c', `${written.script}; : > /ready; exec /busybox sleep 10000`)
    const isReady = async () => (await side.exec('/busybox', 'test', '-e', '/ready')) === 0
    await eventually(`${side.name} has written`, 300_000, isReady)
    for (const [verb, argv] of [['commit', commit] as const, ['commit-run', oneAfterTheOther(commit, run)] as const]) {
      if (!chosen.includes(verb)) continue
      await measure(verb, argv)
      await side.remove('committed:latest')
    }
  } finally {
    await side.removeWriter()
  }
}

function oneAfterTheOther(...commands: readonly (readonly string[])[]): string[] {
  return ['sh', '-e', '-c', commands.map((argv) => argv.map((word) => `'${word}'`).join(' ')).join('\n')]
}

function small(files: number, layers: number): Weight {
  const own = Math.ceil(files / layers)
  const script = `i=0; t=$(/busybox printf %0${SMALL_BYTES}d 7); while [ $i -lt ${own} ]; do [ $((i % 100)) -ne 0 ] || { d=/own/$i; /busybox mkdir -p $d; }; echo $t$i > $d/$i; i=$((i + 1)); done`
  return {
    what: `${files} files of ${SMALL_BYTES} bytes in ${layers} layers`,
    ...{ name: 'bench/small:latest', files, fileBytes: SMALL_BYTES, layers, repeats: 3 },
    written: { what: `${own} such files of its own`, script },
  }
}

function large(files: number, layers: number): Weight {
  const bytes = 32 * MB
  const own = Math.ceil(files / layers)
  const script = `/busybox mkdir /own; i=0; while [ $i -lt ${own} ]; do /busybox head -c ${bytes} /dev/urandom > /own/$i; i=$((i + 1)); done`
  return {
    what: `${((files * bytes) / 1e9).toFixed(1)} GB in ${layers} layers`,
    ...{
      name: 'bench/large:latest',
      files,
      fileBytes: bytes,
      layers,
      repeats: Number(process.env['BENCH_LARGE_REPEATS'] ?? 1),
    },
    written: { what: `${((own * bytes) / 1e6).toFixed(0)} MB of its own`, script },
  }
}

function medianOf(samples: readonly Watched[] | undefined): Watched | undefined {
  if (samples === undefined) return undefined
  const median = (key: keyof Watched) => summarize(samples.map((sample) => sample[key])).median
  return { elapsed: median('elapsed'), peakBytes: median('peakBytes') }
}

function report(sides: readonly ImageSide[]): string {
  const head = ['what', ...sides.map(({ name }) => name), ...sides.slice(1).map(({ name }) => `× ${name}`)]
  const table = (key: keyof Watched, format: (value: number) => string) => {
    const lines = rows.map(({ what, cells }) => {
      const values = cells.map((cell) => cell?.[key])
      const ours = values[0] ?? Number.NaN
      const ratios = values.slice(1).map((value) => (value === undefined ? '–' : (value / ours).toFixed(2)))
      return [what, ...values.map((value) => (value === undefined ? '–' : format(value))), ...ratios]
    })
    return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`)
  }
  return [
    `\`make bench BENCH=images\`: pull from the original registry on the loopback, push to an empty one, save to a file, load of one archive with plain layers, commit of a running container. Ours unpacks what was committed behind the answer; a run of it waits for that. Medians of ${WEIGHTS.map(({ what, repeats }) => `${repeats} (${what})`).join(', of ')}; the sides take turns, and what was written before is on the disk before the clock starts.`,
    `containerd is driven by ctr, commits by nerdctl. docker's CLI drives berth and dockerd. ${machineLine()}`,
    '',
    ...table('elapsed', (value) => `${(value / 1000).toFixed(2)} s`),
    '',
    'Memory: the most that client, daemons and their helpers held at one time, resident.',
    '',
    ...table('peakBytes', megabytes),
  ].join('\n')
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}

/** All, if none is named. */
function chooseVerbs(names: string | undefined): readonly Verb[] {
  if (names === undefined || names === '') return VERBS
  return names.split(',').map((name) => {
    const verb = VERBS.find((each) => each === name)
    if (verb === undefined) throw new Error(`no verb is named ${name}; there are ${VERBS.join(', ')}`)
    return verb
  })
}
