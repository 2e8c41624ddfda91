// Two engines in the same state: a real dockerd and ours, each with a network of its own, the same images and the same files.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UndoStack } from '../../src/base/undo-stack.ts'
import { startEngine } from './berth.ts'
import { type CommandResult, eventually, must, run } from './command.ts'
import { startDockerd } from './dockerd.ts'
import { pushBusybox } from './images.ts'
import { startRegistry, type TestRegistry } from './registry.ts'

export interface ParitySide {
  name: 'original' | 'ours'
  socketPath: string
  /** Names that only this side's output can hold. */
  places: readonly string[]
  /** A line of the shell, with `docker` as the client; in a directory with the same files on both sides. */
  shell(script: string, client: ParityClient): Promise<CommandResult>
  /** Containers, volumes, and images other than the two, are gone afterwards, and the two are there. */
  clean(client: ParityClient): Promise<void>
  log(): string
}

export interface ParityClient {
  name: '28' | '20.10'
  /** A directory in which the client is the program `docker`. */
  path: string
}

export interface ParitySides extends AsyncDisposable {
  original: ParitySide
  ours: ParitySide
  /** Those that are installed. */
  clients: ParityClient[]
}

/** The API version that both engines speak; else the clients would ask the two for different things. */
export const COMMON_API_VERSION = '1.41'

/** Ours alone, with the images. */
export interface ParityEngine extends AsyncDisposable {
  socketPath: string
}

/** Undefined where no dockerd is installed. */
export async function startParitySides(): Promise<ParitySides | undefined> {
  await using undo = new UndoStack()
  const directory = await makeDirectory(undo)
  const dockerd = await startDockerd({ bridge: true, ownNetwork: true, args: ['--insecure-registry', '127.0.0.0/8'] })
  if (dockerd === undefined) return undefined
  undo.use(dockerd)
  const engine = undo.use(await startEngine())
  const registry = await startImages(undo, directory)
  await startSecondRegistry(undo, registry, dockerd.pid())
  const clients = await findClients(directory)
  const sides = [
    await makeSide('original', { ...dockerd, home: join(directory, 'original'), registry: registry.host }),
    await makeSide('ours', { ...engine, home: join(directory, 'ours'), registry: registry.host }),
  ] as const
  const [client] = clients
  if (client !== undefined) await Promise.all(sides.map(async (side) => insist(await side.shell(PULL, client))))
  const owned = undo.release()
  return { original: sides[0], ours: sides[1], clients, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() }
}

/** A real one, with the same images; undefined where none is installed. */
export async function startDockerdSide(): Promise<ParityEngine | undefined> {
  const sides = await startParitySides()
  return sides && { socketPath: sides.original.socketPath, [Symbol.asyncDispose]: () => sides[Symbol.asyncDispose]() }
}

export async function startParityEngine(): Promise<ParityEngine> {
  await using undo = new UndoStack()
  const directory = await makeDirectory(undo)
  const engine = undo.use(await startEngine())
  const registry = await startImages(undo, directory)
  await must(['sh', '-c', PULL], { env: { DOCKER_HOST: engine.host, DOCKER_CONFIG: directory, R: registry.host } })
  const owned = undo.release()
  return { socketPath: engine.socketPath, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() }
}

async function makeDirectory(undo: UndoStack): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'parity-'))
  undo.defer(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function startImages(undo: UndoStack, directory: string): Promise<TestRegistry> {
  const registry = undo.use(await startRegistry(join(directory, 'registry')))
  await pushBusybox(registry.host)
  // Times in a layer are whole seconds: in the same one both images would have the same layer, and some words of both sides would be others.
  const second = () => Math.floor(Date.now() / 1000)
  const first = second()
  await eventually('the next second', 5_000, () => second() > first)
  await pushBusybox(registry.host, 'configured', CONFIGURED)
  return registry
}

/** The same at the same address, in the network of a process. */
async function startSecondRegistry(undo: UndoStack, { host, config }: TestRegistry, pid: number): Promise<void> {
  const enter = ['nsenter', `--net=/proc/${pid}/ns/net`]
  const child = spawn('nsenter', [...enter.slice(1), 'docker-registry', 'serve', config], { stdio: 'ignore' })
  undo.defer(async () => {
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  })
  await eventually(
    'the second registry answers',
    30_000,
    async () => (await run([...enter, 'curl', '-sf', `http://${host}/v2/`])).code === 0,
  )
}

const CONFIGURED = {
  Entrypoint: ['echo', 'entered'],
  Cmd: ['by', 'default'],
  Env: ['FROM_IMAGE=1', 'PATH=/usr/local/bin:/usr/bin:/bin'],
  User: '1000:5',
  WorkingDir: '/home/user',
  ExposedPorts: { '80/tcp': {}, '53/udp': {} },
  Volumes: { '/var/www': {} },
  Labels: { 'from.image': 'yes', shared: 'image' },
  StopSignal: 'SIGINT',
}

const PULL = `set -e; for name in busybox configured; do docker pull -q $R/$name; docker tag $R/$name $name; docker rmi $R/$name; done`

function insist({ code, stderr }: CommandResult): void {
  if (code !== 0) throw new Error(stderr)
}

async function findClients(directory: string): Promise<ParityClient[]> {
  const clients: ParityClient[] = []
  for (const program of ['/usr/local/bin/docker', '/usr/bin/docker']) {
    const version = existsSync(program) ? (await run([program, '--version'])).stdout : ''
    const name = /version 2[89]\./.test(version) ? '28' : version.includes('version 20.10.') ? '20.10' : undefined
    if (name === undefined || clients.some((client) => client.name === name)) continue
    const path = join(directory, `client-${name}`)
    await mkdir(path)
    await symlink(program, join(path, 'docker'))
    clients.push({ name, path })
  }
  return clients
}

async function makeSide(
  name: ParitySide['name'],
  peer: { home: string; registry: string; socketPath: string; directory: string; log(): string },
): Promise<ParitySide> {
  const files = join(peer.home, 'files')
  await mkdir(join(files, 'tree/below'), { recursive: true })
  const texts: Record<string, string> = {
    file: 'from the host\n',
    'tree/one': '1\n',
    'tree/below/two': '2\n',
    env: '# comment\nA=1\nB=two words\n\n',
    'bad-env': 'A B=1\n',
    labels: 'x=1\ny\n',
    taken: '',
    'no-mkdir.json': JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
    }),
    'bad.json': '{',
  }
  for (const [path, text] of Object.entries(texts)) await writeFile(join(files, path), text)
  const shell = (script: string, client: ParityClient, seconds = LINE_SECONDS) =>
    run(['timeout', '-s', 'KILL', String(seconds), 'bash', '--norc', '-c', `set -o pipefail; ${script}`], {
      cwd: files,
      timeoutMs: (seconds + 30) * 1000,
      env: {
        DOCKER_HOST: `unix://${peer.socketPath}`,
        DOCKER_CONFIG: join(peer.home, 'config'),
        DOCKER_API_VERSION: COMMON_API_VERSION,
        DOCKER_CLI_HINTS: 'false',
        PATH: `${client.path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
        ...{ I: 'busybox', F: files, R: peer.registry, TERM: 'xterm' },
      },
    })
  const clean = async (client: ParityClient) => {
    const { code, stderr, stdout } = await shell(CLEAN, client, CLEAN_SECONDS)
    if (code !== 0) throw new Error(`${name}: ${stdout}${stderr}\n${peer.log().slice(-2000)}`)
  }
  return {
    name,
    socketPath: peer.socketPath,
    places: [files, peer.socketPath, peer.directory],
    shell,
    clean,
    log: peer.log,
  }
}

/** Of one line; what takes longer is seen as killed by `timeout`. */
const LINE_SECONDS = 30
const CLEAN_SECONDS = 120

const CLEAN = `
docker ps -aq | xargs -r docker rm -fv >/dev/null
docker volume ls -q | xargs -r docker volume rm -f >/dev/null
docker images --format '{{.Repository}}:{{.Tag}} {{.ID}}' | grep -vE '^(busybox|configured):latest ' |
  while read name id; do case $name in *'<none>'*) docker rmi -f $id;; *) docker rmi -f $name;; esac; done >/dev/null
docker image inspect busybox configured >/dev/null 2>&1 || (${PULL}) >/dev/null`
