// `--platform os[(version)][/architecture[/variant]]`, with what is wrong in the words of containerd's platforms package.
import { withSubject } from '../../base/failure.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { parsePlatform as parseKnown } from '../../oci/parse-platform.ts'
import { invalid } from './values.ts'

export interface Platform {
  architecture: string
  os: string
  'os.version'?: string
  variant?: string
}

const SYSTEM = '^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.-]*)\\))?$'
const COMPONENT = '^[A-Za-z0-9_.-]+$'

/** In its normal form: `x86_64` is `linux/amd64`. */
export function parsePlatform(text: string): Platform {
  const refuse = (why: string) => invalid(`${why}: invalid argument`)
  if (text.includes('*')) throw refuse(`${goQuote(text)}: wildcards not yet supported`)
  const [first = '', ...others] = text.split('/')
  const system = new RegExp(SYSTEM).exec(first)
  if (system === null)
    throw refuse(
      `${goQuote(first)} is an invalid OS component of ${goQuote(text)}: OSAndVersion specifier component must match ${goQuote(SYSTEM)}`,
    )
  const bad = others.find((part) => !new RegExp(COMPONENT).test(part))
  if (bad !== undefined)
    throw refuse(
      `${goQuote(bad)} is an invalid component of ${goQuote(text)}: platform specifier component must match ${goQuote(COMPONENT)}`,
    )
  if (others.length > 2) throw refuse(`${goQuote(text)}: cannot parse platform specifier`)
  const [, os = '', version] = system
  const platform = parseKnown([os, ...others].join('/'))
  return version ? { ...platform, 'os.version': version } : platform
}

/** As the API wants it where it takes an object. Undefined where none is given. */
export function platformObject(text: string): string | undefined {
  if (text === '') return undefined
  try {
    return JSON.stringify(parsePlatform(text))
  } catch (error) {
    throw withSubject('invalid platform', error)
  }
}
