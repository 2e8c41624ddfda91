// A shim that goes wrong in one way, which its program's name tells: containerd-shim-<way>-v1. Its container is a word in its memory.
//
//   node fake-shim.js <way> <flags as containerd gives them>
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { Failure } from '../../src/base/failure.ts'
import { silentLog } from '../../src/base/log.ts'
import { serveTtrpc, type TtrpcMethod, ttrpcMethod } from '../../src/wire/ttrpc/serve-ttrpc.ts'
import * as m from '../../src/wire/shim-v2/messages.ts'
import { BIN } from './root.ts'

export const WAYS = [
  'well',
  'modern',
  'recent',
  'refused',
  'garbled',
  'unreachable',
  'stuck',
  'mute',
  'failing',
  'dying',
  'slow',
  'staying',
] as const
export type Way = (typeof WAYS)[number]

const KILLED = 137
const START_TOLD = 'shim was started through the deprecated API but was built against the new API'

/** Makes a program of each way in a directory. `<directory>/told` gets a line for each action and call. */
export function installFakeShims(directory: string): void {
  for (const way of WAYS)
    writeFileSync(
      join(directory, `containerd-shim-${way}-v1`),
      `#!/bin/sh\nexec ${process.execPath} ${import.meta.filename} ${way} "$@"\n`,
      { mode: 0o755 },
    )
}

export function toldOf(directory: string): string {
  return existsSync(join(directory, 'told')) ? readFileSync(join(directory, 'told'), 'utf8') : ''
}

function main(way: Way, argv: readonly string[]): void {
  const action = argv.at(-1)
  const id = argv[argv.indexOf('-id') + 1] ?? ''
  const namespace = argv[argv.indexOf('-namespace') + 1] ?? ''
  const directory = join(process.env['PATH']?.split(':')[0] ?? BIN)
  const tell = (words: string) => appendFileSync(join(directory, 'told'), `${id} ${words}\n`)
  const address = join('/run/containerd/s', `fake-${id}`)
  switch (action) {
    case 'start':
      tell('start')
      return start(way, { id, namespace, address, argv })
    case '-v':
      // As the originals print it; of the modern one nobody knows.
      if (way === 'recent') process.stdout.write('shim:\n  Version:  2.3.1\n  Revision: x\n  Go version: go1.26\n\n')
      return
    case 'delete':
      tell(`delete in ${process.cwd()}`)
      rmSync(address, { force: true })
      process.stdout.write(
        m.DeleteResponse.encode({ pid: 1, exitStatus: KILLED, exitedAt: m.timestampOf(1_000_000_000n) }),
      )
      return
    default:
      return serve(way, address, tell)
  }
}

function start(
  way: Way,
  { id, namespace, address, argv }: { id: string; namespace: string; address: string; argv: readonly string[] },
): void {
  const input = readFileSync(0)
  if (way === 'refused') {
    process.stderr.write('no luck today\n')
    process.exitCode = 3
    return
  }
  if (way === 'modern' || way === 'recent') {
    const params = decodeBootstrap(input)
    if (params?.instanceId !== id || params.namespace !== namespace) {
      process.stderr.write(way === 'modern' ? `${START_TOLD}\n` : 'misread\n')
      process.exitCode = 1
      return
    }
  }
  // Whatever happens, a server is there that somebody has to end.
  mkdirSync('/run/containerd/s', { recursive: true })
  const server = spawn(process.execPath, [import.meta.filename, way, ...argv.slice(0, -1)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  server.stdout.once('data', () => {
    server.stdout.destroy()
    server.unref()
    if (way === 'stuck') setInterval(() => {}, 1000)
    else answer(way, address)
  })
}

function decodeBootstrap(input: Uint8Array): m.BootstrapParams | undefined {
  try {
    return m.BootstrapParams.decode(input)
  } catch {
    return undefined
  }
}

function answer(way: Way, address: string): void {
  if (way === 'garbled') process.stdout.write('what a lovely day\n')
  else if (way === 'unreachable') process.stdout.write('unix:///run/containerd/s/nobody')
  else if (way === 'modern' || way === 'recent')
    process.stdout.write(m.BootstrapResult.encode({ version: 3, address: `unix://${address}`, protocol: 'ttrpc' }))
  else process.stdout.write(JSON.stringify({ version: 2, address: `unix://${address}`, protocol: 'ttrpc' }))
}

const never = () => new Promise<never>(() => {})

function serve(way: Way, path: string, tell: (words: string) => void): void {
  let status: 'none' | 'created' | 'running' | 'stopped' = 'none'
  const ended = new Map<string, () => void>()
  const exit = { exitStatus: 7, exitedAt: m.timestampOf(2_000_000_000n) }
  const requireContainer = () => {
    if (status === 'none') throw new Failure('not-found', 'container not created: not found')
  }
  const methods: Record<string, TtrpcMethod> = {
    Connect: ttrpcMethod(m.ContainerRequest, m.ConnectResponse, () =>
      way === 'mute' ? never() : { shimPid: process.pid, taskPid: status === 'none' ? 0 : process.pid },
    ),
    Create: ttrpcMethod(m.CreateTaskRequest, m.PidResponse, ({ checkpoint }) => {
      if (way === 'failing') throw new Failure('failed-precondition', 'the moon is not full')
      if (way === 'dying') process.exit(1)
      if (way === 'slow') return never()
      if (checkpoint !== '') tell(`restores ${readFileSync(join(checkpoint, 'memory'), 'utf8')}`)
      status = 'created'
      return { pid: process.pid }
    }),
    Start: ttrpcMethod(m.ProcessRequest, m.PidResponse, () => {
      requireContainer()
      status = 'running'
      return { pid: process.pid }
    }),
    State: ttrpcMethod(m.ProcessRequest, m.StateResponse, ({ id }) => {
      requireContainer()
      const number = { none: 0, created: 1, running: 2, stopped: 3 }[status]
      return { id, pid: process.pid, status: number, ...(status === 'stopped' ? exit : {}) }
    }),
    Pids: ttrpcMethod(m.ContainerRequest, m.PidsResponse, () => {
      requireContainer()
      return { processes: [{ pid: process.pid }] }
    }),
    Kill: ttrpcMethod(m.KillRequest, m.Empty, () => {
      requireContainer()
      status = 'stopped'
      for (const end of ended.values()) end()
      return {}
    }),
    Wait: ttrpcMethod(m.ProcessRequest, m.WaitResponse, async () => {
      requireContainer()
      if (status !== 'stopped') await new Promise<void>((resolve) => ended.set(String(ended.size), resolve))
      return exit
    }),
    Checkpoint: ttrpcMethod(m.CheckpointTaskRequest, m.Empty, ({ path }) => {
      mkdirSync(join(path, 'pages'))
      writeFileSync(join(path, 'memory'), 'remembered')
      writeFileSync(join(path, 'pages/1'), 'x'.repeat(100_000))
      return {}
    }),
    Delete: ttrpcMethod(m.ProcessRequest, m.DeleteResponse, () => {
      tell('Delete')
      requireContainer()
      status = 'none'
      return { pid: process.pid, ...exit }
    }),
    Shutdown: ttrpcMethod(m.ShutdownRequest, m.Empty, () => {
      tell('Shutdown')
      if (way === 'staying') throw new Failure('unavailable', 'please retry')
      rmSync(path, { force: true })
      setImmediate(() => process.exit(0))
      return {}
    }),
  }
  const listener = net.createServer()
  const version = way === 'modern' || way === 'recent' ? 3 : 2
  serveTtrpc(listener, {
    services: new Map([[`containerd.task.v${version}.Task`, new Map(Object.entries(methods))]]),
    log: silentLog,
  })
  rmSync(path, { force: true })
  listener.listen(path, () => process.stdout.write('ready'))
  process.stdout.on('error', () => {}) // whoever waited for the word has gone
}

if (process.argv[1] === import.meta.filename) main(process.argv[2] as Way, process.argv.slice(3))
