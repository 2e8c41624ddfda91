// Opens the sockets that the API listens on: unix sockets, TCP with TLS or plain, and those that systemd has opened before.
import { chmodSync, chownSync, mkdirSync, readFileSync, readlinkSync, statSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { createConnection } from 'node:net'
import { dirname } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { type ActivatedSockets, chooseActivated } from './activated-sockets.ts'
import { formatListenAddress, type ListenAddress } from './listen-address.ts'

/** Docker's own, which many hosts do not have. */
const DEFAULT_GROUP = 'docker'

export interface ListenOptions {
  /** A server that does not listen yet: with TLS for TCP where that is on, plain for unix sockets always. */
  makeServer(isTls: boolean): Server
  readonly isTls: boolean
  readonly group: string
  readonly activated: ActivatedSockets
  readonly log: Log
}

/** Resolves with the servers that listen now; the caller closes them. Throws Failure where the socket cannot be had. */
export async function listenOn(address: ListenAddress, options: ListenOptions): Promise<Server[]> {
  switch (address.kind) {
    case 'unix':
      return [await listenOnPath(address.path, options)]
    case 'tcp':
      return [await listenOnPort(address, options)]
    case 'fd':
      return await listenOnDescriptors(address.name, options)
  }
}

/** A stale socket of a dead daemon is replaced; one that answers is somebody's, and stays. */
async function listenOnPath(path: string, { makeServer, group, log }: ListenOptions): Promise<Server> {
  const gid = findGroup(group)
  if (gid === undefined && group !== '' && group !== DEFAULT_GROUP)
    throw new Failure('invalid-argument', `failed to load listeners: group ${group} not found`)
  await removeStaleSocket(path)
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  const server = makeServer(false)
  await opened(server, { path })
  if (gid === undefined && group !== '')
    log.warn(`could not change group ${path} to ${group}: group ${group} not found`)
  if (gid !== undefined) chownSync(path, 0, gid)
  chmodSync(path, gid === undefined ? 0o600 : 0o660)
  log.info(`API listen on ${path}`)
  return server
}

async function listenOnPort(
  address: ListenAddress & { kind: 'tcp' },
  { makeServer, isTls, log }: ListenOptions,
): Promise<Server> {
  if (!isTls)
    log.warn(
      'Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has access to your network.',
      { host: formatListenAddress(address) },
    )
  const server = makeServer(isTls)
  await opened(server, { host: address.host, port: address.port })
  log.info(`API listen on ${described(server)}`)
  return server
}

/** Whoever may connect to a path that systemd made is systemd's decision; TCP has TLS where it is on. */
async function listenOnDescriptors(
  name: string,
  { makeServer, isTls, activated, log }: ListenOptions,
): Promise<Server[]> {
  const servers: Server[] = []
  for (const fd of chooseActivated(activated, name)) {
    const server = makeServer(isTls && !isUnixSocket(fd))
    await opened(server, { fd })
    servers.push(server)
    log.info(`API listen on ${described(server)}`)
  }
  return servers
}

/** By the kernel's list of them. What is not in it counts as TCP, which is the safe mistake. */
function isUnixSocket(fd: number): boolean {
  const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
  const rows = readFileSync('/proc/net/unix', 'utf8').split('\n')
  return inode !== undefined && rows.some((row) => row.trim().split(/ +/)[6] === inode)
}

function described(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') return address ?? ''
  return formatListenAddress({ kind: 'tcp', host: address.address, port: address.port }).slice('tcp://'.length)
}

function opened(server: Server, where: { path: string } | { host: string; port: number } | { fd: number }) {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // A path is closed to everyone until its owner and mode are right. It is bound before `listen` returns; nobody else makes files meanwhile.
    const mask = process.umask(0o177)
    try {
      server.listen(where, () => {
        server.off('error', reject)
        resolve()
      })
    } finally {
      process.umask(mask)
    }
  })
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isSocket()) throw new Failure('already-exists', `can't create unix socket ${path}: it is not a socket`)
  if (await answers(path))
    throw new Failure('already-exists', `can't create unix socket ${path}: address already in use`)
  unlinkSync(path)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path)
    const settle = (isAlive: boolean) => {
      socket.destroy()
      resolve(isAlive)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}

function findGroup(group: string): number | undefined {
  if (/^\d+$/.test(group)) return Number(group)
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , gid] = line.split(':')
    if (name === group && group !== '') return Number(gid)
  }
  return undefined
}
