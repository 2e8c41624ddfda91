// Four programs that keep images, each behind the same verbs: our engine, dockerd, podman, and containerd by ctr, with nerdctl for commits.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, run } from '../test/harness/command.ts'
import { nerdctl, skipWithoutNerdctl } from '../test/harness/nerdctl.ts'
import { startRealContainerd } from '../test/harness/real-containerd.ts'
import { type Peer, pidsOf, startBerth, startDockerd } from './peers.ts'

export type Argv = readonly string[]

export interface ImageSide extends AsyncDisposable {
  name: string
  env: Record<string, string>
  /** Pids of daemons: what they and their children hold counts, beside the client itself. */
  daemons(): number[]
  pull(name: string): Argv
  tag(name: string, other: string): Argv
  push(name: string): Argv
  save(name: string, file: string): Argv
  load(file: string): Argv
  /** Of a container called `writer`. */
  commit(name: string): Argv
  /** False where no commit can be had: then there is no `start` either. */
  commits: boolean
  /** Starts the container `writer`, which goes on. */
  start(image: string, ...words: readonly string[]): Promise<void>
  /** A container of an image, which goes when its program ends. */
  run(image: string, ...words: readonly string[]): Argv
  /** Exit code of a program in it. */
  exec(...words: readonly string[]): Promise<number>
  removeWriter(): Promise<void>
  /** To the last byte on the disk, as far as it can be waited for. */
  remove(...names: readonly string[]): Promise<void>
}

const LONG = { timeoutMs: 600_000 }

/** Those that are wanted and installed; ours first. */
export async function startImageSides(isWanted: (name: string) => boolean): Promise<ImageSide[]> {
  const sides: ImageSide[] = [dockerLike(await startBerth())]
  try {
    const dockerd = isWanted('dockerd') ? await startDockerd() : undefined
    if (dockerd !== undefined) sides.push(dockerLike(dockerd))
    if (isWanted('podman') && (await isInstalled('podman'))) sides.push(await openPodman())
    if (isWanted('containerd') && (await isInstalled('containerd'))) sides.push(await startContainerd())
    return sides
  } catch (error) {
    for (const side of sides) await side[Symbol.asyncDispose]()
    throw error
  }
}

async function isInstalled(program: string): Promise<boolean> {
  return (await run(['sh', '-c', `command -v ${program}`])).code === 0
}

function dockerLike(peer: Peer): ImageSide {
  const docker = (...words: string[]): Argv => ['docker', ...words]
  return {
    name: peer.name,
    env: { DOCKER_HOST: `unix://${peer.socketPath}` },
    commits: true,
    daemons: () => peer.daemons(),
    pull: (name) => docker('pull', '-q', name),
    tag: (name, other) => docker('tag', name, other),
    push: (name) => docker('push', '-q', name),
    save: (name, file) => docker('save', '-o', file, name),
    load: (file) => docker('load', '-q', '-i', file),
    commit: (name) => docker('commit', 'writer', name),
    async start(image, ...words) {
      await peer.ok('run', '-d', '--name', 'writer', '--net', 'none', image, ...words)
    },
    run: (image, ...words) => docker('run', '--rm', '--net', 'none', image, ...words),
    exec: async (...words) => (await peer.docker('exec', 'writer', ...words)).code,
    async removeWriter() {
      await peer.docker('rm', '-f', 'writer')
    },
    async remove(...names) {
      await peer.docker('rmi', '-f', ...names)
      await peer.settled()
    },
    [Symbol.asyncDispose]: () => Promise.resolve(peer[Symbol.asyncDispose]()),
  }
}

async function openPodman(): Promise<ImageSide> {
  const directory = await mkdtemp(join(tmpdir(), 'podman-bench-'))
  const roots = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run')]
  const flags = [
    '--storage-driver',
    'overlay',
    '--cgroup-manager',
    'cgroupfs',
    '--events-backend',
    'none',
    '--runtime',
    'runc',
  ]
  const podman = (...words: string[]): Argv => ['podman', ...roots, ...flags, ...words]
  const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000'] // its defaults may be more than the machine allows
  return {
    name: 'podman',
    env: { TMPDIR: directory },
    commits: true,
    daemons: () => [],
    pull: (name) => podman('pull', '-q', '--tls-verify=false', name),
    tag: (name, other) => podman('tag', name, other),
    push: (name) => podman('push', '-q', '--tls-verify=false', name),
    save: (name, file) => podman('save', '-q', '--format', 'docker-archive', '-o', file, name),
    load: (file) => podman('load', '-q', '-i', file),
    commit: (name) => podman('commit', '-q', 'writer', name),
    async start(image, ...words) {
      await must(podman('run', '-d', ...limits, '--name', 'writer', '--net', 'none', image, ...words), LONG)
    },
    run: (image, ...words) => podman('run', '--rm', ...limits, '--net', 'none', image, ...words),
    exec: async (...words) => (await run(podman('exec', 'writer', ...words))).code,
    async removeWriter() {
      await run(podman('rm', '-f', '-t', '0', 'writer'), LONG)
    },
    async remove(...names) {
      await run(podman('rmi', '-f', ...names), LONG)
    },
    async [Symbol.asyncDispose]() {
      await run(podman('rm', '-f', '-a', '-t', '0'), LONG)
      await run(['sh', '-c', `grep -o " ${directory}[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l`])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function startContainerd(): Promise<ImageSide> {
  const daemon = await startRealContainerd()
  const { address, directory } = daemon
  const ctr = (...words: string[]): Argv => ['ctr', '-a', address, 'images', ...words]
  const commits = (await skipWithoutNerdctl()) === false
  const program = commits ? await nerdctl() : ''
  const places = ['--address', address, '--data-root', join(directory, 'nerdctl'), '--namespace', 'default']
  const client = (...words: string[]): Argv => [program, ...places, '--cgroup-manager', 'cgroupfs', ...words]
  return {
    name: 'containerd',
    env: {},
    commits,
    daemons: () => pidsOf((command) => command.startsWith(`containerd -c ${directory}`)),
    pull: (name) => ctr('pull', '--plain-http', name),
    tag: (name, other) => ctr('tag', name, other),
    push: (name) => ctr('push', '--plain-http', name),
    save: (name, file) => ctr('export', file, name),
    load: (file) => ctr('import', file),
    commit: (name) => client('commit', 'writer', name),
    async start(image, ...words) {
      await must(client('run', '-d', '--pull', 'never', '--name', 'writer', '--net', 'none', image, ...words), LONG)
    },
    run: (image, ...words) => client('run', '--rm', '--pull', 'never', '--net', 'none', image, ...words),
    exec: async (...words) => (await run(client('exec', 'writer', ...words))).code,
    async removeWriter() {
      if (commits) await run(client('rm', '-f', 'writer'), LONG)
    },
    async remove(...names) {
      await run(ctr('rm', '--sync', ...names.map(normalized)), LONG)
    },
    async [Symbol.asyncDispose]() {
      if (commits) await run(client('rm', '-f', 'writer'), LONG)
      await daemon[Symbol.asyncDispose]()
    },
  }
}

/** nerdctl's names for ctr, which takes each as it is. */
function normalized(name: string): string {
  return name.includes('/') ? name : `docker.io/library/${name}`
}
