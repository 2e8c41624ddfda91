// $NOTIFY_SOCKET (sd_notify(3)): the container gets a socket of its own, and what it says of being ready goes on to the service manager.
import { chmodSync, closeSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { AF_UNIX, SOCK_DGRAM } from '../linux/constants.ts'
import type { Fd } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { checked, libcIntFunction } from '../linux/libc.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { sendDescriptor } from '../linux/pass-descriptor.ts'
import { unixAddress } from '../linux/unix-address.ts'
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import { pollDescriptor } from './poll-descriptor.ts'
import { directoryOf } from './state-store.ts'

const pipe2 = libcIntFunction('pipe2', 'ptr', 'int')
const O_CLOEXEC = 0o2000000
const MESSAGE_BYTES_MAX = 64 << 10
const LOOK_MS = 100
const BARRIER_LIMIT_MS = 30_000

/** Below the container's state. Only the directory is bound into it: the socket is made when it starts. */
export const NOTIFY_DIRECTORY = 'notify'
const SOCKET = 'notify.sock'
const DIRECTORY_INSIDE = '/run/notify'

/** The container with its socket's directory and the variable that names it. */
export function withNotifySocket(spec: RuntimeSpec, root: string, id: string): RuntimeSpec {
  const source = join(directoryOf(root, id), NOTIFY_DIRECTORY)
  const mount = {
    destination: DIRECTORY_INSIDE,
    type: 'bind',
    source,
    options: ['bind', 'nosuid', 'noexec', 'nodev', 'ro'],
  }
  const process = spec.process && {
    ...spec.process,
    env: [...(spec.process.env ?? []), `NOTIFY_SOCKET=${DIRECTORY_INSIDE}/${SOCKET}`],
  }
  return { ...spec, mounts: [...(spec.mounts ?? []), mount], ...(process === undefined ? {} : { process }) }
}

/** The container's end; `undefined` where nobody asks, or where the container was made without. */
export class NotifySocket implements Disposable {
  readonly #fd: Fd
  readonly #path: string
  readonly #host: string

  private constructor(fd: Fd, path: string, host: string) {
    this.#fd = fd
    this.#path = path
    this.#host = host
  }

  static open(root: string, id: string, host: string | undefined): NotifySocket | undefined {
    const directory = join(directoryOf(root, id), NOTIFY_DIRECTORY)
    if (host === undefined || host === '' || !existsSync(directory)) return undefined
    const path = join(directory, SOCKET)
    rmSync(path, { force: true })
    const kernel = openNativeKernel()
    const fd = kernel.socket(AF_UNIX, SOCK_DGRAM, 0)
    try {
      kernel.bind(fd, unixAddress(path))
      chmodSync(path, 0o777) // whoever it runs as may say so
      return new NotifySocket(fd, path, host)
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** Resolves when the container has said that it is ready, and the manager has been told, or when `isAlive` denies. */
  async forwardReady(pid: number, isAlive: () => boolean): Promise<void> {
    for (let message = this.#receive(); ; message = this.#receive()) {
      const ready = message?.split('\n').find((line) => line.startsWith('READY='))
      if (ready !== undefined) return tellHost(this.#host, ready, pid)
      if (message !== undefined) continue
      if (!isAlive()) return
      await systemClock.sleep(LOOK_MS)
    }
  }

  #receive(): string | undefined {
    try {
      return Buffer.from(openNativeKernel().receive(this.#fd, MESSAGE_BYTES_MAX, 0)).toString('utf8')
    } catch (error) {
      if (hasErrno(error, 'EAGAIN')) return undefined
      throw error
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
    rmSync(this.#path, { force: true })
  }
}

/** The manager is told which process to watch, and is waited for: it looks up who wrote, who must not be gone by then. */
function tellHost(host: string, ready: string, pid: number): void {
  const kernel = openNativeKernel()
  const fd = kernel.socket(AF_UNIX, SOCK_DGRAM, 0)
  try {
    kernel.connect(fd, unixAddress(host))
    kernel.send(fd, Buffer.from(`${ready}\n`))
    kernel.send(fd, Buffer.from(`MAINPID=${pid}\n`))
    passBarrier(fd)
  } finally {
    closeSync(fd)
  }
}

/** sd_notify_barrier(3): the manager closes the descriptor when it has seen all that came before. */
function passBarrier(socket: Fd): void {
  const pair = new Int32Array(2)
  checked(pipe2(pair, O_CLOEXEC), 'pipe2', '')
  const [reader = -1, writer = -1] = pair
  try {
    sendDescriptor(socket, 'BARRIER=1', writer)
  } finally {
    closeSync(writer)
    pollDescriptor(reader, 'read', BARRIER_LIMIT_MS)
    closeSync(reader)
  }
}
