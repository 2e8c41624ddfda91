// berth-containerd with directories of its own, shims of others where it looks for them, and ctr to drive it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ContainerdClient, connectContainerd, waitForContainerd } from '../../src/containerd/client/client.ts'
import { type CommandOptions, type CommandResult, eventually, must, run } from './command.ts'
import { makeBusyboxTree } from './images.ts'
import { BIN } from './root.ts'

export interface OurContainerd extends AsyncDisposable {
  directory: string
  address: string
  namespace: string
  /** A root file system with busybox. */
  tree: string
  /** Where shims are found first. */
  programs: string
  client: ContainerdClient
  ctr(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** `ctr`, which must exit 0; its trimmed output. */
  ok(...args: string[]): Promise<string>
  /** Ends the daemon. */
  stop(signal?: NodeJS.Signals): Promise<void>
  start(): Promise<void>
  log(): string
  /** What tasks have in the kernel and on disk, in words. */
  leavings(): string[]
  /** Waits until that is nothing. */
  nothingLeft(): Promise<void>
}

let count = 0

/** Put it in a mount namespace of the test's own: /run/containerd, where shims have their sockets, becomes a fresh one. */
export async function startOurContainerd(...flags: string[]): Promise<OurContainerd> {
  const directory = mkdtempSync(join(tmpdir(), 'our-containerd-'))
  const address = join(directory, 'c.sock')
  const namespace = `shims-${process.pid}-${++count}`
  const programs = join(directory, 'bin')
  const tree = join(directory, 'tree')
  mkdirSync(programs)
  await makeBusyboxTree(tree)
  mkdirSync('/run/containerd', { recursive: true })
  await must(['mount', '-t', 'tmpfs', 'tmpfs', '/run/containerd'])
  const client = connectContainerd({ address, namespace, patienceMs: 10_000 })
  const logFile = join(directory, 'log')
  const log = () => readFileSync(logFile, 'utf8').slice(-4000)
  let daemon: ChildProcess | undefined
  const start = async () => {
    const output = openSync(logFile, 'a')
    const places = ['--address', address, '--root', join(directory, 'root'), '--state', join(directory, 'state')]
    daemon = spawn(join(BIN, 'berth-containerd'), [...places, ...flags], {
      stdio: ['ignore', output, output],
      env: { ...process.env, PATH: `${programs}:${process.env['PATH']}` },
    })
    await waitForContainerd(client, 10_000)
  }
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
    daemon.kill(signal)
    await once(daemon, 'exit')
  }
  const ctr = (args: readonly string[], options: CommandOptions = {}) =>
    run(['ctr', '-a', address, '-n', namespace, ...args], { timeoutMs: 30_000, ...options })
  const leavings = () => listLeavings(directory, namespace)
  await start()
  return {
    directory,
    address,
    namespace,
    tree,
    programs,
    client,
    ctr,
    async ok(...args) {
      const { code, stdout, stderr } = await ctr(args)
      if (code !== 0) throw new Error(`ctr ${args.join(' ')}: exit ${code}\n${stdout}\n${stderr}\n${log()}`)
      return stdout.trim()
    },
    stop,
    start,
    log,
    leavings,
    async nothingLeft() {
      await eventually('nothing is left of the tasks', 10_000, () => {
        const left = leavings()
        if (left.length > 0) throw new Error(`\n${left.join('\n')}\n`)
        return true
      })
    },
    async [Symbol.asyncDispose]() {
      const left = (await ctr(['task', 'ls', '-q'])).stdout.split('\n').filter(Boolean)
      for (const id of left) await ctr(['task', 'rm', '-f', id])
      client.close()
      await stop()
      await run(['umount', '-l', '/run/containerd'])
      for (const group of groupsNamed(namespace)) rmdirSync(group)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function listLeavings(directory: string, namespace: string): string[] {
  const shims = join(directory, 'state/io.containerd.runtime.v2.task', namespace)
  const own = join(directory, 'state/tasks', namespace)
  return [
    ...namesIn(shims).map((name) => `bundle ${name}`),
    ...namesIn(own).map((name) => `own bundle ${name}`),
    ...namesIn(join(directory, 'root/io.containerd.runtime.v2.task', namespace)).map((name) => `work ${name}`),
    ...namesIn(join(directory, 'state/checkpoints')).map((name) => `checkpoint ${name}`),
    ...namesIn('/run/containerd/s').map((name) => `socket ${name}`),
    ...namesIn(`/run/containerd/runc/${namespace}`).map((name) => `runtime’s state ${name}`),
    ...groupsNamed(namespace).flatMap((group) =>
      readdirSync(group, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [`group ${join(group, entry.name)}`] : [],
      ),
    ),
    ...mountsOf(directory),
    ...processesOf(directory),
  ]
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}

function groupsNamed(name: string): string[] {
  const root = '/sys/fs/cgroup'
  return [root, ...readdirSync(root).map((hierarchy) => join(root, hierarchy))]
    .map((path) => join(path, name))
    .filter((path) => existsSync(path))
}

function mountsOf(directory: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.flatMap((line) => (line.includes(directory) ? [`mount ${line.split(' ')[4]}`] : []))
}

/** Shims and whatever else names the directory or works in it; the daemon itself is none of them. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return /shim|sleep 4711/.test(words) && (words.includes(directory) || words.includes('sleep 4711'))
        ? [`process ${pid} ${words}`]
        : []
    } catch {
      return [] // it ended while we looked
    }
  })
}

/** crun refuses hosts with a unified hierarchy that holds no controllers beside the others: this one sees none. @returns its path. */
export function installCrun(programs: string): string {
  const unified = '/sys/fs/cgroup/unified'
  if (!existsSync(join(unified, 'cgroup.procs'))) return 'crun'
  const path = join(programs, 'crun-without-unified')
  const inside = `umount ${unified}; exec crun "$@"`
  writeFileSync(path, `#!/bin/sh\nexec unshare --mount --propagation private sh -c '${inside}' crun "$@"\n`, {
    mode: 0o755,
  })
  return path
}
