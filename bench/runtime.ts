// berth-runc beside runc and crun, and what callers of the library pay: one bundle whose program is `true`, the sides alternating.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../src/base/log.ts'
import { PROCESS_SPEC_TYPE, RUNTIME_SPEC_TYPE } from '../src/containerd/client/any.ts'
import { type ContainerdClient, embedContainerd } from '../src/containerd/client/client.ts'
import { openContainerd } from '../src/containerd/open-containerd.ts'
import { openTasks } from '../src/containerd/open-tasks.ts'
import type { RuntimeSpec } from '../src/oci/runtime-spec.ts'
import { must } from '../test/harness/command.ts'
import { BIN, ROOT } from '../test/harness/root.ts'
import { findProgram, makeBundle } from '../test/harness/runtime.ts'
import { alternate, type Sample, timed } from './measure.ts'
import { findShims, pssBytes } from './peers.ts'
import { machineLine, writeSection } from './report.ts'
import { measureSeccomp } from './seccomp-table.ts'

const REPEATS = Number(process.env['BENCH_REPEATS'] ?? 40)
const EXECS = [0, 1, 10]
const SIGKILL = 9
const UNIFIED = '/sys/fs/cgroup/unified'
const NOTHING: Sample = { median: Number.NaN, least: Number.NaN }
/** The newest that Debian's crun takes. */
const OCI_VERSION = '1.0.2'

/** crun refuses a cgroup v2 hierarchy that holds no controllers beside v1's: all sides run without it, in a mount namespace of their own. */
if (existsSync(join(UNIFIED, 'cgroup.procs'))) {
  const again = `umount ${UNIFIED} && exec "$0" "$@"`
  const argv = ['--mount', '--propagation', 'private', 'sh', '-c', again, process.execPath, ...process.argv.slice(1)]
  process.exit(spawnSync('unshare', argv, { stdio: 'inherit' }).status ?? 1)
}

const WHY_NOT_CRUN = [
  'crun is a small C program; berth-runc is one executable with a JavaScript engine in it. The last row is that engine’s own start, which nothing in this',
  'tree can make shorter. What remains beside crun is code that runs for the first time, in an interpreter that has not warmed up: a JSON document parsed',
  'and checked, a plan compiled; the system calls that the plan is made of are the same, and berth-init makes them. The library has no such start: there',
  'the engine runs already and its code is warm. Least values are close to what an idle machine takes; medians also hold what the neighbours do.',
]

const sides = ['berth-runc', 'runc', 'crun'].flatMap((name) => {
  const path = name === 'berth-runc' ? join(BIN, name) : findProgram(name)
  return path === undefined ? [] : [{ name, path }]
})
type Side = (typeof sides)[number]

const directory = await mkdtemp(join(tmpdir(), 'berth-bench-runtime-'))

interface Row {
  what: string
  samples: Sample[]
}

async function measurePrograms(bundle: string): Promise<Row[]> {
  await makeBundle(bundle, (spec) => {
    spec.ociVersion = OCI_VERSION
    if (spec.process !== undefined) spec.process.args = ['true']
  })
  const run = await alternate(sides, REPEATS, (side) => timed(() => call(side, 'run', '--bundle', bundle, 'bench')))
  const empty = await compileEmpty()
  const [nothing = NOTHING] = await alternate([empty], REPEATS, (path) => timed(() => end(path, [])))
  const sleeping = join(directory, 'sleeping')
  await makeBundle(sleeping, (spec) => {
    spec.ociVersion = OCI_VERSION
    if (spec.process !== undefined) spec.process.args = ['sleep', '100000']
  })
  for (const side of sides) await call(side, 'run', '--detach', '--bundle', sleeping, idOf(side))
  try {
    const exec = await alternate(sides, REPEATS, (side) => timed(() => call(side, 'exec', idOf(side), 'true')))
    return [
      { what: '`run` of a bundle whose program is `true`', samples: run },
      { what: '`exec` of `true` in a container that runs', samples: exec },
      { what: 'of each of ours: the start of an empty program compiled the same way', samples: [nothing] },
    ]
  } finally {
    for (const side of sides) await call(side, 'delete', '--force', idOf(side))
  }
}

const idOf = (side: Side) => `bench-${side.name}`

/** Without streams: what a shell or a shim does with them is not the runtime's. */
function call(side: Side, ...args: string[]): Promise<void> {
  return end(side.path, ['--root', join(directory, `root-${side.name}`), ...args])
}

function end(program: string, argv: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: 'ignore' })
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ${argv.join(' ')}: exit ${code}`)),
    )
  })
}

/** With the compiler and the flags that the Makefile has for berth-runc. */
async function compileEmpty(): Promise<string> {
  const [source, path] = [join(directory, 'empty.ts'), join(directory, 'empty')]
  await writeFile(source, 'process.exit(0)\n')
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x64'
  const bun = join(ROOT, `node_modules/@oven/bun-linux-${arch}/bin/bun`)
  const flags = ['--compile', '--minify', '--bytecode', '--format=esm', '--compile-jit-policy=20', '--outfile', path]
  await must([bun, 'build', ...flags, source])
  return path
}

interface LibraryResults {
  start: Sample
  exec: Sample
  /** PSS of the shim, in bytes, by number of execs. */
  shim: number[]
}

/** containerd's task service in this process, as the engine has it, without its socket. */
async function measureLibrary(bundle: string): Promise<LibraryResults> {
  const spec = await makeBundle(join(directory, 'library'), (made) => {
    made.root = { path: join(bundle, 'rootfs') }
    if (made.process !== undefined) made.process.args = ['sleep', '100000']
  })
  const containerd = await openContainerd({
    root: join(directory, 'containerd'),
    state: join(directory, 'state'),
    log: silentLog,
    openTasks: (deps) => openTasks({ ...deps, shimPath: join(BIN, 'berth-shim') }),
  })
  const client = embedContainerd(containerd.router, 'bench')
  const tasks = new Tasks(client, spec)
  try {
    const [start = NOTHING] = await alternate(['s'], REPEATS, async (id) => {
      await tasks.define(id)
      const took = await timed(() => tasks.start(id))
      await tasks.end(id)
      return took
    })
    await tasks.define('kept')
    await tasks.start('kept')
    const [exec = NOTHING] = await alternate(['kept'], REPEATS, (id) => timed(() => tasks.execTrue(id)))
    const shim = await measureShim(tasks)
    await tasks.end('kept')
    return { start, exec, shim }
  } finally {
    client.close()
    await containerd.close()
  }
}

async function measureShim(tasks: Tasks): Promise<number[]> {
  const sizes: number[] = []
  let running = 0
  for (const count of EXECS) {
    for (; running < count; running++) await tasks.execSleep('kept', `sleep-${running}`)
    sizes.push(findShims(directory).reduce((total, pid) => total + pssBytes(pid), 0))
  }
  return sizes
}

/** Tasks by the words of containerd's clients. */
class Tasks {
  readonly #client: ContainerdClient
  readonly #spec: RuntimeSpec
  #execs = 0

  constructor(client: ContainerdClient, spec: RuntimeSpec) {
    this.#client = client
    this.#spec = spec
  }

  async define(id: string): Promise<void> {
    const linux = { ...this.#spec.linux, cgroupsPath: `/bench-${process.pid}-${id}` }
    const value = Buffer.from(JSON.stringify({ ...this.#spec, linux }))
    const runtime = { name: 'io.containerd.runc.v2' }
    await this.#client.containers.create({ container: { id, runtime, spec: { typeUrl: RUNTIME_SPEC_TYPE, value } } })
  }

  async start(id: string): Promise<void> {
    await this.#client.tasks.create({ containerId: id })
    await this.#client.tasks.start({ containerId: id })
  }

  async end(id: string): Promise<void> {
    const ended = this.#client.tasks.wait({ containerId: id })
    await this.#client.tasks.kill({ containerId: id, signal: SIGKILL })
    await ended
    await this.#client.tasks.delete({ containerId: id })
    await this.#client.containers.delete({ id })
  }

  async execTrue(id: string): Promise<void> {
    const execId = `true-${this.#execs++}`
    await this.#exec(id, execId, ['true'])
    const ended = this.#client.tasks.wait({ containerId: id, execId })
    await this.#client.tasks.start({ containerId: id, execId })
    await ended
    await this.#client.tasks.deleteProcess({ containerId: id, execId })
  }

  async execSleep(id: string, execId: string): Promise<void> {
    await this.#exec(id, execId, ['sleep', '100000'])
    await this.#client.tasks.start({ containerId: id, execId })
  }

  async #exec(id: string, execId: string, args: string[]): Promise<void> {
    const value = Buffer.from(JSON.stringify({ ...this.#spec.process, args }))
    await this.#client.tasks.exec({ containerId: id, execId, spec: { typeUrl: PROCESS_SPEC_TYPE, value } })
  }
}

function report(programs: readonly Row[], { start, exec, shim }: LibraryResults, seccomp: readonly string[]): void {
  const cell = ({ median, least }: Sample) => `${median.toFixed(1)} (${least.toFixed(1)}) ms`
  const ratio = (samples: readonly Sample[], at: number) => {
    const [ours, theirs] = [samples[0]?.least, samples[at]?.least]
    return ours === undefined || theirs === undefined ? '–' : (ours / theirs).toFixed(2)
  }
  const names = sides.map(({ name }) => name)
  const text = [
    `${REPEATS} rounds each; the sides alternate. Medians, and in parentheses the least, which is what the work itself takes: whatever else the`,
    'machine does only adds to it. Ratios are of the least.',
    machineLine(),
    '',
    `| what | ${names.join(' | ')} | ${names
      .slice(1)
      .map((name) => `of ${name}`)
      .join(' | ')} |`,
    `|---${'|---'.repeat(names.length * 2 - 1)}|`,
    ...programs.map(
      ({ what, samples }) =>
        `| ${what} | ${names.map((_, at) => (samples[at] === undefined ? '–' : cell(samples[at]))).join(' | ')} | ${names
          .slice(1)
          .map((_, at) => ratio(samples, at + 1))
          .join(' | ')} |`,
    ),
    '',
    ...WHY_NOT_CRUN,
    '',
    '| through the library: containerd’s task service in the process, one berth-shim a container | |',
    '|---|---|',
    `| create and start | ${cell(start)} |`,
    `| exec of \`true\`, to its exit | ${cell(exec)} |`,
    ...EXECS.map(
      (count, at) => `| PSS of the shim with ${count} execs running | ${((shim[at] ?? 0) / 1024).toFixed(0)} KB |`,
    ),
    '',
    ...seccomp,
  ]
  writeSection('Runtime', text.join('\n'))
}

try {
  const bundle = join(directory, 'bundle')
  const programs = await measurePrograms(bundle)
  const library = await measureLibrary(bundle)
  report(programs, library, await measureSeccomp())
} finally {
  await rm(directory, { recursive: true, force: true })
}
