// The action `start`: finds the group's shim or makes one, and says where it serves. Whatever else this printed would be taken for the address.
import { spawn } from 'node:child_process'
import { readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { Failure, messageOf } from '../base/failure.ts'
import { UndoStack } from '../base/undo-stack.ts'
import { openCgroups } from '../linux/cgroup/open-cgroups.ts'
import type { Kernel } from '../linux/kernel.ts'
import { checked, libcIntFunction } from '../linux/libc.ts'
import type { ShimFlags } from './flags.ts'
import { Any, BootstrapParams, BootstrapResult, type Options } from '../wire/shim-v2/messages.ts'
import { parseRuntimeOptions } from '../containerd/tasks/runtime-options.ts'
import { listenOrFind, SOCKET_DIRECTORY, socketPath } from './socket.ts'

/** Which of these a container's spec has, first of them first, names the group that shares a shim. */
const GROUP_ANNOTATIONS = ['io.containerd.runc.v2.group', 'io.kubernetes.cri.sandbox-id']

const STDIN_BYTES_MAX = 10 << 20
const OOM_SCORE_MAX = 1000
const DEBUG_LEVEL = -4

/** Version 3 has the same messages as version 2, under another name; this shim serves both. */
const VERSION_MAX = 3

interface Wanted {
  /** Undefined with a containerd before 2.3. */
  bootstrap: BootstrapParams | undefined
  options: Options
}

/** Runs in the bundle. @returns what standard output shall carry. */
export async function startShim(kernel: Kernel, flags: ShimFlags, env: NodeJS.ProcessEnv): Promise<Uint8Array> {
  const wanted = parseStdin(readStdin(), flags)
  const group = groupOf(flags.id, JSON.parse(readFileSync('config.json', 'utf8')))
  const path = socketPath(wanted.bootstrap?.socketDir || SOCKET_DIRECTORY, { ...flags, group })
  const address = `unix://${path}`
  await using undo = new UndoStack()
  const socket = await listenOrFind(kernel, path)
  if (socket !== undefined) {
    undo.defer(() => rmSync(path, { force: true }))
    if (env['SCHED_CORE']) enableCoreScheduling()
    const { pid, stop } = spawnServer(flags, wanted, env, socket)
    undo.defer(stop)
    if (wanted.options.shimCgroup !== '') await openCgroups(kernel).open(wanted.options.shimCgroup).add(pid)
    adjustOomScore(pid)
    writeFileSync('shim.pid', String(pid), { mode: 0o644 })
  }
  writeFileSync('address', address, { mode: 0o644 })
  undo.commit()
  return formatAnswer(address, wanted, env)
}

function spawnServer(
  flags: ShimFlags,
  wanted: Wanted,
  env: NodeJS.ProcessEnv,
  socket: number,
): { pid: number; stop: () => void } {
  const isDebug = flags.debug || (wanted.bootstrap?.logLevel ?? 0) <= DEBUG_LEVEL
  const args = [
    '-namespace',
    flags.namespace,
    '-id',
    flags.id,
    '-address',
    flags.address,
    ...(isDebug ? ['-debug'] : []),
  ]
  const ttrpcAddress = wanted.bootstrap?.containerdTtrpcAddress || env['TTRPC_ADDRESS'] || ''
  const child = spawn(process.execPath, args, {
    detached: true, // a session of its own: containerd's end is not this process's
    stdio: ['ignore', 'ignore', 'ignore', socket],
    env: { ...env, TTRPC_ADDRESS: ttrpcAddress },
  })
  child.unref()
  const { pid } = child
  if (pid === undefined) throw new Failure('internal', `cannot start ${process.execPath}`)
  return { pid, stop: () => void child.kill('SIGKILL') }
}

/** A newer containerd writes its parameters, an older one the container's options, or nothing. */
function parseStdin(bytes: Uint8Array, flags: ShimFlags): Wanted {
  const bootstrap = parseBootstrap(bytes, flags)
  if (bootstrap === undefined)
    return { bootstrap, options: parseRuntimeOptions(bytes.length === 0 ? undefined : Any.decode(bytes)) }
  const any = bootstrap.extensions.find(({ value }) => value?.typeUrl.endsWith('containerd.runc.v1.Options'))?.value
  return { bootstrap, options: parseRuntimeOptions(any) }
}

/** An Any can be read as parameters, too: only ones that name this very container are meant as such. */
function parseBootstrap(bytes: Uint8Array, flags: ShimFlags): BootstrapParams | undefined {
  try {
    const params = BootstrapParams.decode(bytes)
    return params.instanceId === flags.id && params.namespace === flags.namespace ? params : undefined
  } catch {
    return undefined // an Any whose second field is no text
  }
}

function readStdin(): Uint8Array {
  const chunks: Buffer[] = []
  let size = 0
  for (;;) {
    const chunk = Buffer.allocUnsafe(64 << 10)
    const length = readSync(0, chunk)
    if (length === 0) return Buffer.concat(chunks, size)
    size += length
    if (size > STDIN_BYTES_MAX)
      throw new Failure('invalid-argument', `standard input holds more than ${STDIN_BYTES_MAX} bytes`)
    chunks.push(chunk.subarray(0, length))
  }
}

function groupOf(id: string, spec: unknown): string {
  if (typeof spec !== 'object' || spec === null || !('annotations' in spec)) return id
  const { annotations } = spec
  if (typeof annotations !== 'object' || annotations === null) return id
  const found = GROUP_ANNOTATIONS.flatMap((name) => Object.entries(annotations).filter(([key]) => key === name))[0]
  return typeof found?.[1] === 'string' ? found[1] : id
}

/** Worse than containerd by one: where memory is short, the shim goes first. */
function adjustOomScore(pid: number): void {
  const own = Number(readFileSync(`/proc/${process.ppid}/oom_score_adj`, 'utf8'))
  const score = Math.min(own + 1, OOM_SCORE_MAX)
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(score))
  } catch (error) {
    throw new Failure('internal', `failed to adjust OOM score for shim: ${messageOf(error)}`, { cause: error })
  }
}

const PR_SCHED_CORE = 62
const PR_SCHED_CORE_CREATE = 1
const PROCESS_GROUP = 2
const prctl = libcIntFunction('prctl', 'int', 'ulong', 'ulong', 'ulong', 'ulong')

/** A core-scheduling cookie for this process group, which the server inherits. */
function enableCoreScheduling(): void {
  checked(prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PROCESS_GROUP, 0), 'prctl', 'PR_SCHED_CORE')
}

function formatAnswer(address: string, { bootstrap }: Wanted, env: NodeJS.ProcessEnv): Uint8Array {
  const protocol = 'ttrpc'
  if (bootstrap !== undefined) return BootstrapResult.encode({ version: VERSION_MAX, address, protocol })
  const version = Number(env['MAX_SHIM_VERSION'] ?? 0)
  if (!(version >= 2)) return Buffer.from(address)
  return Buffer.from(JSON.stringify({ version: Math.min(version, VERSION_MAX), address, protocol }))
}
