// systemd's side of a daemon (sd_notify(3)): it hears when we are ready, when we stop, and that we are alive.
import { closeSync } from 'node:fs'
import { Failure, messageOf } from '../base/failure.ts'
import type { Log } from '../base/log.ts'
import type { Kernel } from './kernel.ts'

const AF_UNIX = 1
const SOCK_DGRAM = 2
const PATH_BYTES_MAX = 107

export interface ServiceManager extends Disposable {
  /** Also after a reload. */
  ready(): void
  /** Configuration is being read again: `ready` follows in any case. */
  reloading(): void
  stopping(): void
}

/** Where no $NOTIFY_SOCKET is, nothing is said. The variables are taken out of `env`: no child of ours speaks for us. */
export function connectServiceManager(
  kernel: Pick<Kernel, 'socket' | 'connect' | 'send'>,
  env: NodeJS.ProcessEnv,
  log: Log,
): ServiceManager {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: watchdogUs, WATCHDOG_PID: watchdogPid } = env
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
  if (path === undefined || path === '') return { ready() {}, reloading() {}, stopping() {}, [Symbol.dispose]() {} }
  const tell = (message: string): void => {
    try {
      send(kernel, path, message)
    } catch (error) {
      log.warn('notify failed', { socket: path, error: messageOf(error) })
    }
  }
  const isWatched = watchdogPid === undefined || Number(watchdogPid) === process.pid
  let watchdog: NodeJS.Timeout | undefined
  return {
    ready() {
      tell('READY=1')
      const intervalMs = isWatched ? Number(watchdogUs ?? 0) / 2000 : 0 // half of what it waits, as systemd asks
      if (intervalMs > 0) watchdog ??= setInterval(() => tell('WATCHDOG=1'), intervalMs).unref()
    },
    reloading() {
      tell(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`) // Node reads CLOCK_MONOTONIC
    },
    stopping() {
      tell('STOPPING=1')
    },
    [Symbol.dispose]() {
      clearInterval(watchdog)
    },
  }
}

function send(kernel: Pick<Kernel, 'socket' | 'connect' | 'send'>, path: string, message: string): void {
  const fd = kernel.socket(AF_UNIX, SOCK_DGRAM, 0)
  try {
    kernel.connect(fd, addressOf(path))
    kernel.send(fd, Buffer.from(message))
  } finally {
    closeSync(fd)
  }
}

/** struct sockaddr_un; `@` stands for the abstract names' zero. */
function addressOf(path: string): Uint8Array {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`)
  if (name.length > PATH_BYTES_MAX + 1) throw new Failure('invalid-argument', `${path}: too long for a unix socket`)
  return Buffer.concat([Buffer.from([AF_UNIX, 0]), name])
}
