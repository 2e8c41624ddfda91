// Where forwarded entries go: addresses as Go's url.Parse and net.Dial take them.
import { invalid } from '../go-values.ts'

export type TransportAddress =
  | { kind: 'udp' | 'tcp'; host: string; port: number }
  | { kind: 'tls'; host: string; port: number; ca: string; cert: string; key: string; skipsVerification: boolean }
  | { kind: 'unix' | 'unixgram'; path: string }

export interface ParsedUrl {
  scheme: string
  /** With its port. */
  host: string
  path: string
}

/** Throws invalid-argument in the words of url.Parse. */
export function parseUrl(text: string): ParsedUrl {
  const match = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)/.exec(text)
  const [, scheme = '', host = '', path = ''] = match ?? []
  const fail = (why: string) => invalid(`parse ${JSON.stringify(text)}: ${why}`)
  if (text.startsWith(':')) throw fail('missing protocol scheme')
  if (/[\x00-\x1f\x7f]/.test(text)) throw fail('net/url: invalid control character in URL')
  const port = /^(?:\[[^\]]*\]|[^:\]]*)(:.*)?$/.exec(host)?.[1]
  if (port !== undefined && !/^:\d*$/.test(port)) throw fail(`invalid port ${JSON.stringify(port)} after host`)
  if (scheme === '' && /^[^/]*:/.test(path)) throw fail('first path segment in URL cannot contain colon')
  return { scheme: scheme.toLowerCase(), host, path }
}

/** net.SplitHostPort, of which the callers know one mishap apart: undefined where there is no port. */
export function splitHostPort(host: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d*)$/.exec(host)
  if (!match) return undefined
  const port = Number(match[3] ?? '')
  if (port > 65_535) throw invalid(`address ${match[3]}: invalid port`)
  return { host: match[1] ?? match[2] ?? '', port }
}

/** As net.JoinHostPort. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
