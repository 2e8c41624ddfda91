// What `--docker host=…,ca=…` of a context says: checked, and its certificates read.
import { readFileSync } from 'node:fs'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { Failure, messageOf } from '../../base/failure.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { type ContextStore, type DockerEndpoint, dockerEndpointOf, type TlsData } from './context-store.ts'

const KEYS = ['from', 'host', 'ca', 'cert', 'key', 'skip-tls-verify']

/** For the help of the commands that take it. */
export function describeEndpointKeys(command: string): string {
  return `Docker endpoint config:

NAME                DESCRIPTION
from                Copy named context's Docker endpoint configuration
host                Docker endpoint on which to connect
ca                  Trust certs signed only by this CA
cert                Path to TLS certificate file
key                 Path to TLS key file
skip-tls-verify     Skip TLS certificate validation

Example:

$ berth context ${command} my-context --description "some description" --docker "host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file"`
}

/** Throws what pflag says of a value that is not `key=value,…`. */
export function parseEndpointPairs(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const equals = pair.indexOf('=')
      if (equals < 0) throw new Failure('invalid-argument', `${pair} must be formatted as key=value`)
      return [pair.slice(0, equals), pair.slice(equals + 1)]
    }),
  )
}

/** Throws in the Docker CLI's words. */
export function readEndpoint(
  pairs: Readonly<Record<string, string>>,
  store: ContextStore,
): { endpoint: DockerEndpoint; tls: TlsData } {
  try {
    return resolvePairs(pairs, store)
  } catch (error) {
    throw new Failure('invalid-argument', `unable to create docker endpoint config: ${messageOf(error)}`)
  }
}

function resolvePairs(pairs: Readonly<Record<string, string>>, store: ContextStore) {
  const unknown = Object.keys(pairs).filter((key) => !KEYS.includes(key))
  if (unknown.length > 0) throw new Error(unknown.map((key) => `unrecognized config key: ${key}`).join('\n'))
  const from = pairs['from']
  if (from !== undefined) {
    const endpoint = dockerEndpointOf(store.require(from))
    if (endpoint === undefined) throw new Error(`unable to get endpoint from context ${goQuote(from)}`)
    return { endpoint, tls: {} }
  }
  const tls: TlsData = {}
  for (const key of ['ca', 'cert', 'key']) {
    const path = pairs[key]
    if (path) tls[`${key}.pem`] = readNamedFile(path)
  }
  const endpoint: DockerEndpoint = { SkipTLSVerify: parseBoolean(pairs['skip-tls-verify'] ?? 'false') }
  const host = pairs['host'] ?? ''
  if (host !== '') {
    checkHost(host)
    endpoint.Host = host
  }
  checkTls(tls)
  return { endpoint: host === '' ? endpoint : { Host: host, SkipTLSVerify: endpoint.SkipTLSVerify }, tls }
}

function readNamedFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw isMissing ? new Error(`open ${path}: no such file or directory`) : error
  }
}

function parseBoolean(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false
  throw new Error(`skip-tls-verify: parsing ${goQuote(text)}: invalid syntax`)
}

function checkHost(host: string): void {
  const invalid = (why: string) => new Error(`invalid docker endpoint options: parse ${goQuote(host)}: ${why}`)
  if (host.startsWith(':')) throw invalid('missing protocol scheme')
  if (!host.includes('://'))
    throw new Error(`unable to apply docker endpoint options: unable to parse docker host \`${host}\``)
  const port = /^tcp:\/\/[^/[\]]*?(:[^/\d][^/:]*|:[^/]*:[^/]*)(?:\/|$)/.exec(host)?.[1]
  if (port !== undefined) throw invalid(`invalid port ${goQuote(`:${port.split(':').at(-1)}`)} after host`)
}

/** Certificates that cannot be used are refused now rather than at the first connection. */
function checkTls(tls: TlsData): void {
  const refuse = (what: string) =>
    new Error(`invalid docker endpoint options: failed to retrieve context tls info: ${what}`)
  const [ca, cert, key] = [tls['ca.pem'], tls['cert.pem'], tls['key.pem']]
  try {
    if (ca !== undefined) new X509Certificate(ca)
  } catch {
    throw refuse('ca.pem seems invalid')
  }
  if (cert === undefined || key === undefined) return
  try {
    new X509Certificate(cert)
    createPrivateKey(key)
  } catch (error) {
    throw refuse(messageOf(error))
  }
}
