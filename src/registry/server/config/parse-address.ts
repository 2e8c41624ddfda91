// `http.addr`: as Go's net.Listen takes it.
import { isIP } from 'node:net'
import { Failure } from '../../../base/failure.ts'
import type { ListenAddress } from './settings.ts'

/** `:5000`, `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`; a path for `unix`. Throws Failure('invalid-argument'). */
export function parseListenAddress(network: 'tcp' | 'unix', text: string): ListenAddress {
  if (network === 'unix') return { kind: 'unix', path: text }
  const [matched, bracketed, bare, port] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? bare ?? ''
  const isValid = bracketed === undefined || isIP(bracketed) === 6
  if (matched === undefined || !isValid || Number(port) > 65_535)
    throw new Failure('invalid-argument', `configuration: http.addr: ${JSON.stringify(text)} is not an address`)
  return { kind: 'tcp', host: host === '' ? undefined : host, port: Number(port) }
}
