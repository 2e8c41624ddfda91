// How forwarded bytes travel: UDP, TCP, TLS and both kinds of unix sockets, each failing in the words of Go's net.Dial.
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { connect as connectStream, isIPv6, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { Failure } from '../../../base/failure.ts'
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../../../linux/constants.ts'
import type { Kernel } from '../../../linux/kernel.ts'
import { errnoName, hasErrno } from '../../../linux/kernel-error.ts'
import { unixAddress } from '../../../linux/unix-address.ts'
import { joinHostPort, type TransportAddress } from './transport-address.ts'

export interface Transport {
  /** One write, or a datagram each. Resolves when this kernel has them. */
  send(messages: readonly Buffer[]): Promise<void>
  onData(take: (bytes: Buffer) => void): void
  onClose(tell: () => void): void
  close(): void
}

type NetworkAddress = Extract<TransportAddress, { host: string }>

const CONNECT_LIMIT_MS = 30_000
/** The receiver's queue is full, or it is being restarted. */
const DATAGRAM = { pauseMs: 20, attempts: 500 }
/** Where a host's own syslog listens. */
const LOCAL_SYSLOG = ['/dev/log', '/var/run/syslog', '/var/run/log']
const GO_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ENETUNREACH: 'connect: network is unreachable',
  EHOSTUNREACH: 'connect: no route to host',
  ENOENT: 'connect: no such file or directory',
  EACCES: 'connect: permission denied',
  EPROTOTYPE: 'connect: protocol wrong type for socket',
  ETIMEDOUT: 'i/o timeout',
}

/** `writeTimeoutMs`: of one send over a stream, 0 for none. Throws unavailable. */
export async function connectTransport(
  kernel: Kernel,
  address: TransportAddress,
  writeTimeoutMs = 0,
): Promise<Transport> {
  switch (address.kind) {
    case 'udp':
      return await connectUdp(address)
    case 'unixgram':
      return connectDatagram(kernel, address.path)
    default:
      return streamTransport(await openStream(address), writeTimeoutMs)
  }
}

/** Throws unavailable in Docker's words. */
export async function connectLocalSyslog(kernel: Kernel): Promise<Transport> {
  for (const kind of ['unixgram', 'unix'] as const)
    for (const path of LOCAL_SYSLOG) {
      try {
        return await connectTransport(kernel, { kind, path })
      } catch {
        // the next place
      }
    }
  throw new Failure('unavailable', 'Unix syslog delivery error')
}

function openStream(address: Exclude<TransportAddress, { kind: 'udp' | 'unixgram' }>): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = address.kind === 'tls' ? connectTls(tlsOptions(address)) : connectStream(address)
    const fail = (error: NodeJS.ErrnoException) => {
      socket.destroy()
      reject(dialFailure(address, error))
    }
    socket.setTimeout(CONNECT_LIMIT_MS, () => fail(Object.assign(new Error(), { code: 'ETIMEDOUT' })))
    socket.once('error', fail)
    socket.once(address.kind === 'tls' ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(0)
      socket.removeListener('error', fail)
      resolve(socket)
    })
  })
}

function tlsOptions({ host, port, ca, cert, key, skipsVerification }: Extract<TransportAddress, { kind: 'tls' }>) {
  const read = (path: string) => (path === '' ? undefined : readFileSync(path))
  return {
    host,
    port,
    ca: read(ca),
    cert: read(cert),
    key: read(key),
    rejectUnauthorized: !skipsVerification,
    ...(/^[\d.]+$/.test(host) || isIPv6(host) ? {} : { servername: host }),
  }
}

function streamTransport(socket: Socket, writeTimeoutMs: number): Transport {
  let failure: Error | undefined
  const closed = new Promise<never>((_, reject) => {
    socket.once('close', () =>
      reject(failure ?? new Failure('unavailable', 'the other side has closed the connection')),
    )
  })
  closed.catch(() => {}) // told to whoever sends
  socket.on('error', (error) => {
    failure = error
  })
  socket.on('end', () => socket.destroy())
  socket.resume()
  const write = (bytes: Buffer) =>
    new Promise<void>((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())))
  return {
    async send(messages) {
      const stop = new AbortController()
      const late = writeTimeoutMs === 0 ? [] : [rejectAfter(writeTimeoutMs, stop.signal)]
      try {
        await Promise.race([write(Buffer.concat(messages)), closed, ...late])
      } finally {
        stop.abort()
      }
    },
    onData: (take) => void socket.on('data', take),
    onClose: (tell) => void socket.once('close', tell),
    close: () => socket.destroy(),
  }
}

async function rejectAfter(ms: number, signal: AbortSignal): Promise<never> {
  await delay(ms, undefined, { signal }).catch(() => {}) // stopped: nobody looks any more
  throw new Failure('unavailable', 'write: i/o timeout')
}

async function connectUdp(address: NetworkAddress): Promise<Transport> {
  const socket = createSocket(isIPv6(address.host) ? 'udp6' : 'udp4')
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => (error ? reject(dialFailure(address, error)) : resolve())
    socket.once('error', settle)
    // Node hands a failure to the callback, which its types do not know.
    socket.connect(address.port, address.host || '127.0.0.1', settle as () => void)
  }).catch((error: unknown) => {
    socket.close()
    throw error
  })
  socket.removeAllListeners('error')
  socket.on('error', () => {}) // nobody listens there now; a datagram is not missed
  let isOpen = true
  const send = (message: Buffer) => new Promise<void>((resolve) => socket.send(message, () => resolve()))
  return {
    async send(messages) {
      for (const message of messages) if (isOpen) await send(message)
    },
    onData() {},
    onClose() {},
    close() {
      if (isOpen) socket.close()
      isOpen = false
    },
  }
}

/** Node has no datagrams over unix sockets. */
function connectDatagram(kernel: Kernel, path: string): Transport {
  const fd = kernel.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  let isOpen = true
  const close = () => {
    if (isOpen) kernel.close(fd)
    isOpen = false
  }
  try {
    kernel.connect(fd, unixAddress(path))
  } catch (error) {
    close()
    throw dialFailure({ kind: 'unixgram', path }, error as NodeJS.ErrnoException)
  }
  return {
    async send(messages) {
      for (const message of messages) await sendDatagram(kernel, fd, message, () => isOpen)
    },
    onData() {},
    onClose() {},
    close,
  }
}

async function sendDatagram(kernel: Kernel, fd: number, message: Buffer, isOpen: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < DATAGRAM.attempts; attempt++) {
    if (!isOpen()) break
    try {
      return kernel.send(fd, message)
    } catch (error) {
      if (hasErrno(error, 'EMSGSIZE')) return // what no queue takes is lost, as Docker loses it
      if (!hasErrno(error, 'EAGAIN') && !hasErrno(error, 'ENOBUFS')) throw error
    }
    await delay(DATAGRAM.pauseMs)
  }
  throw new Failure('unavailable', 'the other side does not read')
}

function dialFailure(address: TransportAddress, error: NodeJS.ErrnoException): Failure {
  const code =
    GO_WORDS[error.code ?? ''] === undefined
      ? (errnoName(Math.abs(error.errno ?? 0)) ?? error.code ?? '')
      : (error.code ?? '')
  const name = address.kind === 'tls' ? 'tcp' : address.kind
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new Failure('unavailable', `dial ${name}: lookup ${'host' in address ? address.host : ''}: no such host`)
  const place = 'path' in address ? address.path : joinHostPort(address.host, address.port)
  const words = GO_WORDS[code]
  return new Failure('unavailable', words === undefined ? error.message : `dial ${name} ${place}: ${words}`, {
    cause: error,
  })
}
