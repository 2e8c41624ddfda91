// Where the API listens, by `-H`: unix:///run/berth.sock, tcp://127.0.0.1:2376, fd://.
import { Failure } from '../../base/failure.ts'

export type ListenAddress =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number }
  /** Sockets that systemd opened: all of them, or the one with that number or name. */
  | { kind: 'fd'; name: string }

export const DEFAULT_HOST = 'unix:///run/berth.sock'
const DEFAULT_TCP_HOST = '127.0.0.1'
const PORT_PLAIN = 2375
const PORT_TLS = 2376

/** In their full form, sorted, each once; without any, our own socket. Throws as `parseListenAddress` does. */
export function normalizeHosts(hosts: readonly string[], isTls: boolean): string[] {
  const given = hosts.length === 0 ? [''] : hosts
  return [...new Set(given.map((host) => formatListenAddress(parseListenAddress(host.trim(), isTls))))].sort()
}

/** Throws `invalid bind address (x): …` in Docker's words. */
export function parseListenAddress(text: string, isTls = false): ListenAddress {
  if (text === '') return isTls ? tcp(DEFAULT_TCP_HOST, PORT_TLS) : parseListenAddress(DEFAULT_HOST)
  const [, scheme = 'tcp', rest = ''] = /^(?:([^:/]*):\/\/)?(.*)$/s.exec(text) ?? []
  switch (scheme) {
    case 'unix':
      return parseUnix(text, rest)
    case 'tcp':
      return parseTcp(text, rest, isTls)
    case 'fd':
      return { kind: 'fd', name: rest }
    default:
      throw invalidAddress(text, `unsupported proto '${scheme}'`)
  }
}

/** As `-H` would give it. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`
  if (address.kind === 'fd') return `fd://${address.name}`
  return `tcp://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

function parseUnix(text: string, rest: string): ListenAddress {
  if (rest.includes('://')) throw invalidAddress(text, `invalid unix address: ${rest}`)
  if (rest === '') return parseListenAddress(DEFAULT_HOST)
  if (!rest.startsWith('/')) throw invalidAddress(text, 'the path of a socket must be absolute')
  return { kind: 'unix', path: rest }
}

function parseTcp(text: string, rest: string, isTls: boolean): ListenAddress {
  const [, bracketed, plain, port, path] = /^(?:\[([^\]]+)\]|([^:/[\]]*))(?::([^/]*))?(\/.*)?$/s.exec(rest) ?? []
  if (bracketed === undefined && plain === undefined) throw invalidAddress(text, `invalid address: ${rest}`)
  if (path !== undefined) throw invalidAddress(text, 'should not contain a path element')
  const number = port === undefined || port === '' ? (isTls ? PORT_TLS : PORT_PLAIN) : Number(port)
  if (!Number.isInteger(number) || number < 1 || number > 65535) throw invalidAddress(text, `invalid port: ${port}`)
  return tcp(bracketed ?? (plain || DEFAULT_TCP_HOST), number)
}

function tcp(host: string, port: number): ListenAddress {
  return { kind: 'tcp', host, port }
}

function invalidAddress(text: string, reason: string): Failure {
  return new Failure('invalid-argument', `invalid bind address (${text}): ${reason}`)
}
