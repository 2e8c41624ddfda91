// The proxy that a request goes through, by the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY, read as Go's client reads them.
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'
import type { Duplex } from 'node:stream'
import { Failure } from '../../base/failure.ts'

/** Undefined where the request goes straight: none is set, or the host is exempt, as loopback always is. */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv = process.env): URL | undefined {
  const either = (name: string) => env[name.toUpperCase()] || env[name] || ''
  const address = either(url.protocol === 'https:' ? 'https_proxy' : 'http_proxy')
  if (address === '' || isExempt(url, either('no_proxy'))) return undefined
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`
  if (URL.canParse(whole) && new URL(whole).protocol === 'http:') return new URL(whole)
  throw new Failure('invalid-argument', `invalid proxy address ${JSON.stringify(hidden(whole))}`)
}

/** The header by which a proxy knows us; empty where its address has no user. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}

/** A connection to the host behind the proxy. The caller closes it. */
export function openTunnel(proxy: URL, target: URL, signal: AbortSignal): Promise<Duplex> {
  const host = `${target.hostname}:${target.port || '443'}`
  return new Promise((resolve, reject) => {
    const asked = requestHttp(proxy, {
      ...{ method: 'CONNECT', path: host, signal, agent: false },
      headers: { host, ...proxyAuthorization(proxy) },
    })
    asked.once('connect', ({ statusCode, statusMessage }: IncomingMessage, socket: Duplex) => {
      if (statusCode === 200) return resolve(socket)
      socket.destroy()
      reject(new Failure('unavailable', `proxy ${proxy.host}: ${statusCode} ${statusMessage}`))
    })
    asked.once('error', reject)
    asked.end()
  })
}

/** `*`, a host, a domain with all below it (with a leading dot: only those), an address or a range of them, each with a port or without. */
function isExempt(url: URL, exemptions: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (host === 'localhost' || /^127\./.test(host) || host === '::1') return true
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return exemptions.split(',').some((text) => matches(text.trim().toLowerCase(), host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '') return false
  if (entry === '*') return true
  const range = /^(.+)\/(\d{1,3})$/.exec(entry)
  if (range) return isInRange(host, range[1] ?? '', Number(range[2]))
  const [, bracketed, plain = '', wanted] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? [
    undefined,
    undefined,
    entry,
  ]
  if (wanted !== undefined && wanted !== port) return false
  const name = bracketed ?? plain
  if (isIP(name) !== 0) return name === host
  return name.startsWith('.') ? host.endsWith(name) : host === name || host.endsWith(`.${name}`)
}

function isInRange(host: string, network: string, bits: number): boolean {
  if (isIP(host) === 0 || isIP(host) !== isIP(network) || bits > (isIPv6(host) ? 128 : 32)) return false
  const family = isIPv6(host) ? 'ipv6' : 'ipv4'
  const list = new BlockList()
  list.addSubnet(network, bits, family)
  return list.check(host, family)
}

function hidden(address: string): string {
  return address.replace(/^([^:]+:\/\/)[^@/]*@/, '$1xxxxx:xxxxx@')
}
