// The two sides of a comparison: our engine, and the real dockerd with directories of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CommandResult, eventually, must, run } from '../test/harness/command.ts'
import { startEngine } from '../test/harness/berth.ts'
import { interruption } from './interruption.ts'

export interface Peer extends AsyncDisposable {
  name: string
  socketPath: string
  docker(...args: string[]): Promise<CommandResult>
  ok(...args: string[]): Promise<string>
  /** Pids of the daemons, not of shims. */
  daemons(): number[]
  /** Pids of what each container costs besides its own processes. */
  shims(): number[]
  /** Resolves when what was removed is off the disk too: our collector works in the background. */
  settled(): Promise<void>
}

export async function startBerth(): Promise<Peer> {
  const engine = await startEngine()
  const scope = engine.directory
  return {
    name: 'berth',
    socketPath: engine.socketPath,
    ...commandsOf(engine.host, engine.directory),
    daemons: () => [engine.enginePid(), engine.containerdPid()],
    shims: () => findShims(scope),
    async settled() {
      const blobs = join(scope, 'data/containerd/content/blobs/sha256')
      const snapshots = join(scope, 'data/containerd/overlayfs/snapshots')
      const count = () => readdirSync(snapshots).length * 1000 + readdirSync(blobs).length
      let before = -1
      await eventually('the collector rests', 60_000, async () => {
        await new Promise((resolve) => setTimeout(resolve, 1500))
        const isSame = count() === before
        before = count()
        return isSame
      })
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() as Promise<void>,
  }
}

/** Undefined where no dockerd is installed. */
export async function startDockerd(): Promise<Peer | undefined> {
  if ((await run(['sh', '-c', 'command -v dockerd'])).code !== 0) return undefined
  const directory = mkdtempSync(join(tmpdir(), 'dockerd-bench-'))
  const host = `unix://${directory}/docker.sock`
  await mkdir(`${directory}/root`, { recursive: true })
  const output = openSync(`${directory}/log`, 'a')
  const args = [
    '--data-root',
    `${directory}/root`,
    '--exec-root',
    `${directory}/exec`,
    '-p',
    `${directory}/pid`,
    '-H',
    host,
  ]
  // Detached: Ctrl-C is for the measurement, which stops it when its containers are gone.
  const child: ChildProcess = spawn('dockerd', args, { stdio: ['ignore', output, output], detached: true })
  const { docker, ok } = commandsOf(host, directory)
  await eventually('dockerd answers', 30_000, async () => (await docker('version')).code === 0)
  return {
    name: 'dockerd',
    socketPath: `${directory}/docker.sock`,
    ...{ docker, ok },
    daemons: () => pidsOf((command) => command.includes(directory) && /^\S*(dockerd|containerd) /.test(command)),
    shims: () => pidsOf((command) => /containerd-shim|docker-proxy/.test(command) && command.includes(directory)),
    settled: async () => {},
    async [Symbol.asyncDispose]() {
      const ids = await docker('ps', '-aq')
      if (ids.stdout.trim() !== '') await docker('rm', '-f', '-v', ...ids.stdout.trim().split('\n'))
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
      await run(['ip', 'link', 'del', 'docker0'])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The CLI against one side. Once interrupted, only `rm`, `rmi` and the like go on. */
function commandsOf(host: string, directory: string): Pick<Peer, 'docker' | 'ok'> {
  const options = { env: { DOCKER_HOST: host, DOCKER_CONFIG: `${directory}/docker-config` }, timeoutMs: 300_000 }
  const argv = (words: readonly string[]) => {
    if (!REMOVERS.has(words[0] ?? '')) interruption.throwIfAborted()
    return ['docker', ...words]
  }
  return {
    docker: async (...words) => run(argv(words), options),
    ok: async (...words) => must(argv(words), options),
  }
}

const REMOVERS = new Set(['rm', 'rmi', 'ps'])

/** Pids of berth-shims whose bundles are below a directory. */
export function findShims(directory: string): number[] {
  return pidsOf((command) => /berth-shim/.test(command) && command.includes(directory))
}

/** Pids of the processes whose command line, words separated by spaces, is such. */
export function pidsOf(matches: (command: string) => boolean): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return matches(command) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

/** Proportional set size of a process, bytes. */
export function pssBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024
}

/** Resident set size of a process, bytes. */
export function rssBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024
}
