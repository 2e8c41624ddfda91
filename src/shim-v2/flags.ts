// The command line that containerd gives a shim: Go's flags, one dash or two, then the action.
import { Failure } from '../base/failure.ts'

export interface ShimFlags {
  namespace: string
  id: string
  /** containerd's gRPC socket. */
  address: string
  publishBinary: string
  /** Only with `delete`; everything else happens in the bundle as working directory. */
  bundle: string
  /** Serve here; empty: on descriptor 3. */
  socket: string
  debugSocket: string
  debug: boolean
  version: boolean
  info: boolean
  /** `start`, `delete`; empty: serve. */
  action: string
}

type TextFlag = 'namespace' | 'id' | 'address' | 'publishBinary' | 'bundle' | 'socket' | 'debugSocket'
type SwitchFlag = 'debug' | 'version' | 'info'

const TEXTS: Readonly<Record<string, TextFlag>> = {
  namespace: 'namespace',
  id: 'id',
  address: 'address',
  'publish-binary': 'publishBinary',
  bundle: 'bundle',
  socket: 'socket',
  'debug-socket': 'debugSocket',
}
const SWITCHES: Readonly<Record<string, SwitchFlag>> = {
  debug: 'debug',
  v: 'version',
  version: 'version',
  info: 'info',
}

/** What Go's strconv.ParseBool takes. */
const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

/** Throws `invalid-argument` in the words of Go's flag package. */
export function parseFlags(argv: readonly string[]): ShimFlags {
  const flags: ShimFlags = {
    namespace: '',
    id: '',
    address: '',
    publishBinary: '',
    bundle: '',
    socket: '',
    debugSocket: '',
    debug: false,
    version: false,
    info: false,
    action: '',
  }
  const rest = [...argv]
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [, name, value] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument) ?? []
    if (argument === '--') flags.action = rest.shift() ?? ''
    else if (name === undefined && /^--?[-=]/.test(argument)) throw invalid(`bad flag syntax: ${argument}`)
    else if (name === undefined) flags.action = argument
    if (name === undefined) break
    setFlag(flags, name, value, rest)
  }
  return flags
}

function setFlag(flags: ShimFlags, name: string, value: string | undefined, rest: string[]): void {
  const text = TEXTS[name]
  const onOff = SWITCHES[name]
  if (text !== undefined) {
    const given = value ?? rest.shift()
    if (given === undefined) throw invalid(`flag needs an argument: -${name}`)
    flags[text] = given
  } else if (onOff !== undefined) {
    if (value !== undefined && !TRUE.has(value) && !FALSE.has(value))
      throw invalid(`invalid boolean value ${JSON.stringify(value)} for -${name}: parse error`)
    flags[onOff] = value === undefined || TRUE.has(value)
  } else throw invalid(`flag provided but not defined: -${name}`)
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
