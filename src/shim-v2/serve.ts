// The shim itself: serves containerd.task until its last container is gone and containerd says so.
import { constants, existsSync, openSync, rmSync, writeSync } from 'node:fs'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { createLog, type Log } from '../base/log.ts'
import { messageOf } from '../base/failure.ts'
import { OWN_PROGRAM } from '../containerd/tasks/find-runtime.ts'
import type { TaskHost } from '../containerd/tasks/task-host.ts'
import { openCgroup, reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { BoundedFiles } from '../linux/bounded-files.ts'
import type { Kernel } from '../linux/kernel.ts'
import { libcIntFunction } from '../linux/libc.ts'
import { releaseStartPagesSoon } from '../linux/release-pages.ts'
import { gatherHostFacts } from '../runtime/gather-host-facts.ts'
import { connectShim } from '../shim/connect-shim.ts'
import { spawnShimWith } from '../shim/spawn-shim.ts'
import { serveTtrpc } from '../wire/ttrpc/serve-ttrpc.ts'
import { packEvent } from './event-messages.ts'
import { EventForwarder } from './forward-events.ts'
import type { ShimFlags } from './flags.ts'
import { RUNTIME_ROOT } from './runtime-options.ts'
import { createSandboxService, SANDBOX_SERVICE } from './sandbox-service.ts'
import { pathOfSocket } from './socket.ts'
import { createTaskService, TASK_SERVICES } from './task-service.ts'

const INHERITED_SOCKET = 3
const STDERR = 2

/** Resolves when the shim has ended: asked to, or by SIGTERM or SIGINT. Containers that run then run on under their berth-shim. */
export async function serveShim(kernel: Kernel, flags: ShimFlags, env: NodeJS.ProcessEnv): Promise<void> {
  const log = openLog(flags.debug)
  process.on('uncaughtException', (error) => log.error('uncaught', { error: error.stack ?? messageOf(error) }))
  const events = new EventForwarder(env['TTRPC_ADDRESS'] ?? '', log)
  const { stopped, stop } = untilStopped()
  const host = openTaskHost(kernel, events, log)
  const stopWhenEmpty = (): void => {
    if (host.tasks.size === 0) stop('shutdown')
  }
  const tasks = createTaskService({ host, namespace: flags.namespace, stop: stopWhenEmpty })
  const services = new Map(TASK_SERVICES.map((name) => [name, tasks]))
  services.set(SANDBOX_SERVICE, createSandboxService(stopWhenEmpty))
  const socketFile = flags.socket === '' ? pathOfSocket(kernel, INHERITED_SOCKET) : flags.socket
  const listener = net.createServer()
  const server = serveTtrpc(listener, { services, log })
  listener.on('error', (error) => log.error('the socket failed', { error: error.message }))
  if (flags.socket === '') listener.listen({ fd: INHERITED_SOCKET })
  else listener.listen(flags.socket)
  process.on('SIGUSR1', () => log.info('state', describe(host, server.active)))
  releaseStartPagesSoon()

  log.debug('shim serves', { id: flags.id, namespace: flags.namespace, pid: process.pid, reason: 'start' })
  log.debug('shim stops', { reason: await stopped })
  await events.close()
  server.close()
  if (socketFile !== '') rmSync(socketFile, { force: true })
}

function openTaskHost(kernel: Kernel, events: EventForwarder, log: Log): TaskHost {
  return {
    kernel,
    files: new BoundedFiles(kernel, findProgram('berth-shim')),
    facts: gatherHostFacts(),
    openCgroup: (request) => openCgroup({ ...request, rootless: false }, kernel),
    reopenCgroup: (record) => reopenCgroup(record, kernel),
    spawnShim: spawnShimWith(findProgram('berth-shim')),
    connectShim,
    directory: '', // every task comes with its bundle
    runtimeRoot: RUNTIME_ROOT,
    ownProgram: findProgram(OWN_PROGRAM),
    isShim: true,
    publish(namespace, event) {
      events.publish(namespace, packEvent(event))
    },
    log,
    tasks: new Map(),
  }
}

/** Installed beside this program. */
export function findProgram(name: string): string {
  const beside = join(dirname(process.execPath), name)
  return existsSync(beside) ? beside : join('/usr/libexec/berth', name)
}

/**
 * containerd reads the FIFO `log` in the bundle, and may go away and come back: opened for both, it never breaks, and what does not fit while
 * nobody reads is lost. Standard error goes there too, since that is where a crash would be told.
 */
function openLog(isDebug: boolean): Log {
  const fifo = openFifo()
  if (fifo !== undefined) dup2(fifo, STDERR)
  return createLog(isDebug ? 'debug' : 'info', (line) => {
    try {
      writeSync(fifo ?? STDERR, line)
    } catch {
      // Full, and nobody reads: there is nowhere left to say so.
    }
  })
}

const dup2 = libcIntFunction('dup2', 'int', 'int')

function openFifo(): number | undefined {
  try {
    return openSync('log', constants.O_RDWR | constants.O_NONBLOCK)
  } catch {
    return undefined // not started by containerd
  }
}

function untilStopped(): { stopped: Promise<string>; stop: (reason: string) => void } {
  let stop: (reason: string) => void = () => {}
  const stopped = new Promise<string>((resolve) => {
    stop = resolve
  })
  process.on('SIGPIPE', () => {})
  process.on('SIGHUP', () => {})
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal))
  return { stopped, stop }
}

function describe(host: TaskHost, calls: number): Record<string, string | number> {
  const tasks = [...host.tasks.values()].map(({ id, init, execs }) => `${id}:${init.status.kind}:${execs.size}`)
  return { tasks: tasks.join(' '), calls, rss: process.memoryUsage.rss() }
}
