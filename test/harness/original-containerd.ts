// The original containerd with directories of its own, and our shim where its runtimes are looked for.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CommandOptions, type CommandResult, eventually, must, run } from './command.ts'
import { makeBusyboxTree } from './images.ts'
import { BIN } from './root.ts'

export const BUSYBOX = 'docker.io/library/busybox:1'

export interface OriginalContainerd extends AsyncDisposable {
  directory: string
  ctr(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** `ctr`, which must exit 0; its trimmed output. */
  ok(...args: string[]): Promise<string>
  /** Where containerd keeps the task's bundle. */
  bundle(id: string): string
  stop(signal?: NodeJS.Signals): Promise<void>
  start(): Promise<void>
}

/** What is started: containerd, unless ours is to stand in its place. */
type Start = (directory: string, address: string) => readonly string[]

const ORIGINAL: Start = (directory) => ['containerd', '--config', join(directory, 'config.toml')]

export const BERTH: Start = (directory, address) => {
  const place = ['--address', address, '--root', join(directory, 'root'), '--state', join(directory, 'state')]
  return [join(BIN, 'berth-containerd'), ...place, '--shim', join(BIN, 'berth-shim')]
}

/** In the test's own mount namespace, so that nobody else's /run/containerd is in the way. busybox is imported already. */
export async function startOriginalContainerd(command: Start = ORIGINAL): Promise<OriginalContainerd> {
  const directory = mkdtempSync(join(tmpdir(), 'original-containerd-'))
  const address = join(directory, 'c.sock')
  const programs = join(directory, 'bin')
  mkdirSync(programs)
  // For a containerd that was never told of us: what it takes for runc's shim is ours.
  symlinkSync(join(BIN, 'containerd-shim-berth-v2'), join(programs, 'containerd-shim-runc-v2'))
  mkdirSync('/run/containerd', { recursive: true })
  await must(['mount', '-t', 'tmpfs', 'tmpfs', '/run/containerd'])
  writeFileSync(
    join(directory, 'config.toml'),
    `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${address}"
`,
  )
  let daemon: ChildProcess | undefined
  const ctr = (args: readonly string[], options: CommandOptions = {}) =>
    run(['ctr', '-a', address, ...args], { timeoutMs: 30_000, ...options })
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await ctr(args)
    if (code !== 0) throw new Error(`ctr ${args.join(' ')}: exit ${code}\n${stdout}\n${stderr}\n${log()}`)
    return stdout.trim()
  }
  const logFile = join(directory, 'log')
  const log = () => readFileSync(logFile, 'utf8').slice(-4000)
  const start = async () => {
    const output = openSync(logFile, 'a')
    const env = { ...process.env, PATH: `${programs}:${BIN}:${process.env['PATH']}` }
    const [program = '', ...args] = command(directory, address)
    daemon = spawn(program, args, {
      stdio: ['ignore', output, output],
      env,
    })
    await eventually('containerd answers', 10_000, async () => (await ctr(['version'])).code === 0)
  }
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
    daemon.kill(signal)
    await once(daemon, 'exit')
  }
  await start()
  await importBusybox(directory, ok)
  return {
    directory,
    ctr,
    ok,
    bundle: (id) => join(directory, 'state/io.containerd.runtime.v2.task/default', id),
    stop,
    start,
    async [Symbol.asyncDispose]() {
      const left = (await ctr(['task', 'ls', '-q'])).stdout.split('\n').filter(Boolean)
      for (const id of left) await ctr(['task', 'rm', '-f', id])
      await stop()
      await run(['umount', '/run/containerd'])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A docker-archive of one layer. */
async function importBusybox(directory: string, ok: (...args: string[]) => Promise<string>): Promise<void> {
  const image = join(directory, 'image')
  await makeBusyboxTree(join(image, 'rootfs'))
  await must(['tar', '-C', join(image, 'rootfs'), '--numeric-owner', '-cf', join(image, 'layer.tar'), '.'])
  const [sum = ''] = (await must(['sha256sum', join(image, 'layer.tar')])).split(' ')
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sum}`] },
  }
  writeFileSync(join(image, 'config.json'), JSON.stringify(config))
  writeFileSync(
    join(image, 'manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: [BUSYBOX], Layers: ['layer.tar'] }]),
  )
  await must(['tar', '-C', image, '-cf', join(directory, 'image.tar'), 'manifest.json', 'config.json', 'layer.tar'])
  await ok('images', 'import', join(directory, 'image.tar'))
}
