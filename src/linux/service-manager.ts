// systemd's side of a daemon (sd_notify(3)): it hears when we are ready, when we stop, and that we are alive.
import { closeSync } from 'node:fs'
import { messageOf } from '../base/failure.ts'
import type { Log } from '../base/log.ts'
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from './constants.ts'
import type { Kernel } from './kernel.ts'
import { unixAddress } from './unix-address.ts'

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
  // A manager that does not read must not stop the daemon.
  const fd = kernel.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  try {
    kernel.connect(fd, unixAddress(path))
    kernel.send(fd, Buffer.from(message))
  } finally {
    closeSync(fd)
  }
}
