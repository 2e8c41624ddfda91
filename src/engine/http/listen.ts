// Where the API listens: `-H unix:///run/berth.sock`, `-H tcp://127.0.0.1:2375`.
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { createConnection } from 'node:net'
import { dirname } from 'node:path'
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'

export type ListenAddress = { kind: 'unix'; path: string } | { kind: 'tcp'; host: string; port: number }

/** Throws `invalid bind address (x): …` in Docker's manner. */
export function parseListenAddress(text: string): ListenAddress {
  const [, scheme, rest] = /^(?:(\w+):\/\/)?(.*)$/s.exec(text) ?? []
  if (scheme === 'unix') {
    if (rest === undefined || !rest.startsWith('/')) throw invalidAddress(text, 'the path of a socket must be absolute')
    return { kind: 'unix', path: rest }
  }
  if (scheme === undefined || scheme === 'tcp') return parseTcp(text, rest ?? '')
  throw invalidAddress(text, `unsupported proto ${scheme}`)
}

/** Opens the socket. A stale one of a dead daemon is replaced; one that answers is somebody's, and stays. */
export async function listenOn(server: Server, address: ListenAddress, group: string, log: Log): Promise<void> {
  if (address.kind === 'unix') {
    await removeStaleSocket(address.path)
    mkdirSync(dirname(address.path), { recursive: true, mode: 0o755 })
    // Closed to everyone until its owner and mode are right.
    const mask = process.umask(0o177)
    try {
      await opened(server, { path: address.path })
    } finally {
      process.umask(mask)
    }
    grantGroup(address.path, group, log)
    log.info(`API listen on ${address.path}`)
  } else {
    log.warn('[DEPRECATION NOTICE]: API is accessible without encryption: who can connect is root on this host', {
      host: `tcp://${address.host}:${address.port}`,
    })
    await opened(server, { host: address.host, port: address.port })
    log.info(`API listen on ${address.host}:${address.port}`)
  }
}

function opened(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
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

/** The group may talk to the daemon; where it does not exist only root may. */
function grantGroup(path: string, group: string, log: Log): void {
  const gid = findGroup(group)
  if (gid === undefined) {
    if (group !== '') log.warn(`could not change group ${path} to ${group}: group ${group} not found`)
    chmodSync(path, 0o600)
    return
  }
  chownSync(path, 0, gid)
  chmodSync(path, 0o660)
}

function findGroup(group: string): number | undefined {
  if (/^\d+$/.test(group)) return Number(group)
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , gid] = line.split(':')
    if (name === group && group !== '') return Number(gid)
  }
  return undefined
}

function parseTcp(text: string, rest: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:/]*)):(\d{1,5})\/?$/.exec(rest) ?? []
  if (port === undefined || Number(port) > 65535) throw invalidAddress(text, 'expected host:port')
  return { kind: 'tcp', host: bracketed ?? (plain || '127.0.0.1'), port: Number(port) }
}

function invalidAddress(text: string, reason: string): Failure {
  return new Failure('invalid-argument', `invalid bind address (${text}): ${reason}`)
}
