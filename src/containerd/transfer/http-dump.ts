// For `ctr --http-dump` and `--http-trace`: what goes over the wire to a registry, told to the client or to the log.
import type { IncomingMessage } from 'node:http'
import type { Log } from '../../base/log.ts'
import { HTTPDebug, type RegistryResolver } from '../../gen/types/transfer/registry_pb.ts'
import type { ExchangeWatch } from '../../registry/client/registry-session.ts'
import { sendBytes } from './byte-stream.ts'
import type { NamedStreams } from './named-stream.ts'

export type HttpDump = ExchangeWatch

/** What the client has not fetched yet may be so long; more is left out. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024
/** Credentials are for the registry alone. */
const SECRET_HEADERS = new Set(['authorization', 'cookie', 'set-cookie'])

export interface DumpContext {
  streams: NamedStreams
  namespace: string
  log: Log
  /** Aborts when there is no more to come. */
  over: AbortSignal
}

/** Undefined where nobody wants to know. Throws `not-found` where the logs' stream is not open. */
export function openHttpDump(resolver: RegistryResolver | undefined, context: DumpContext): HttpDump | undefined {
  if (resolver === undefined || resolver.httpDebug === HTTPDebug.DISABLED) return undefined
  const write = resolver.logsStream === '' ? (text: string) => context.log.info(text) : toStream(resolver, context)
  return {
    request: (method, url, headers) =>
      write(head(`${method} ${url.pathname}${url.search} HTTP/1.1`, { host: url.host, ...headers })),
    response: (response) => write(head(statusLine(response), response.headers)),
  }
}

function toStream(
  { logsStream }: RegistryResolver,
  { streams, namespace, log, over }: DumpContext,
): (text: string) => void {
  const stream = streams.require(namespace, logsStream)
  const unsent: Buffer[] = []
  let size = 0
  let wake: () => void = () => {}
  over.addEventListener('abort', () => wake(), { once: true })
  const parts = async function* (): AsyncGenerator<Buffer> {
    while (!over.aborted || unsent.length > 0) {
      for (const part of unsent.splice(0)) {
        size -= part.length
        yield part
      }
      if (!over.aborted && unsent.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }
  const told = (error: unknown) => log.debug('http dump not sent', { error: String(error) })
  sendBytes(stream, parts(), NEVER).catch(told)
  return (text) => {
    const bytes = Buffer.from(text)
    if (size + bytes.length > UNSENT_BYTES_MAX) return
    unsent.push(bytes)
    size += bytes.length
    wake()
  }
}

const NEVER = new AbortController().signal

function statusLine({ httpVersion, statusCode, statusMessage }: IncomingMessage): string {
  return `HTTP/${httpVersion} ${statusCode} ${statusMessage}`
}

function head(first: string, headers: Readonly<Record<string, string | string[] | undefined>>): string {
  const lines = Object.entries(headers).map(([name, value]) => {
    const shown = SECRET_HEADERS.has(name.toLowerCase()) ? '<redacted>' : [value].flat().join(', ')
    return `${name}: ${shown}`
  })
  return `${[first, ...lines].join('\r\n')}\r\n\r\n`
}
