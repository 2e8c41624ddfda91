// What a shim's `start` prints: where it serves. Shims print a message (containerd 2.3 and later), JSON (1.7), or the bare address.
import { Failure, isFailure } from '../../base/failure.ts'
import { BootstrapResult } from '../../wire/shim-v2/messages.ts'

export interface Endpoint {
  /** Of the task service: 2 or 3. */
  version: number
  address: string
  protocol: string
}

const VERSION_MAX = 3
const SHOWN_MAX = 200

/** Throws `unknown` for what is no answer. */
export function parseStartAnswer(output: Buffer): Endpoint {
  const text = output.toString('utf8').trim()
  const endpoint = parseMessage(output) ?? parseJson(text) ?? { version: 2, address: text, protocol: 'ttrpc' }
  if (endpoint.version > VERSION_MAX)
    throw new Failure('unimplemented', `unsupported shim version (${endpoint.version}): not implemented`)
  if (endpoint.protocol !== 'ttrpc')
    throw new Failure('unimplemented', `unexpected protocol: ${JSON.stringify(endpoint.protocol)}: not implemented`)
  // A shim that talks on standard error garbles its address: better told here than as a socket that is not there.
  if (!/^[\x21-\x7e]+$/.test(endpoint.address))
    throw new Failure('unknown', `shim answered no address: ${JSON.stringify(text.slice(0, SHOWN_MAX))}`)
  return endpoint
}

/** Where an abstract socket lies, or a path. Throws `unknown` for other kinds of address. */
export function socketOf(address: string): string {
  const [, scheme, path = ''] = /^([a-z]+):\/\/(.*)$/.exec(address) ?? []
  if (scheme === undefined) return `\0${address}`
  if (scheme === 'unix') return path
  throw new Failure('unknown', `unsupported protocol: ${scheme}`)
}

function parseMessage(output: Buffer): Endpoint | undefined {
  try {
    const { version, address, protocol } = BootstrapResult.decode(output)
    return version >= 2 && address !== '' ? { version, address, protocol: protocol.toLowerCase() } : undefined
  } catch (error) {
    if (isFailure(error, 'invalid-argument')) return undefined
    throw error
  }
}

function parseJson(text: string): Endpoint | undefined {
  try {
    const answer: unknown = JSON.parse(text)
    if (typeof answer !== 'object' || answer === null) return undefined
    const { version, address, protocol } = answer as Partial<Record<keyof Endpoint, unknown>>
    if (typeof version !== 'number' || version < 2 || typeof address !== 'string') return undefined
    return { version, address, protocol: typeof protocol === 'string' ? protocol.toLowerCase() : 'ttrpc' }
  } catch {
    return undefined // the bare address
  }
}
