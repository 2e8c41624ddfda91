// `os[/architecture[/variant]]`
import { goQuote } from '../../base/go/go-quote.ts'
import { invalid } from './values.ts'

export interface Platform {
  architecture: string
  os: string
  variant?: string
}

const SYSTEMS = ['linux', 'windows', 'darwin', 'freebsd', 'wasi']

/** Throws as containerd's platforms package words it. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/')
  const bad = parts.find((part) => !/^[a-z0-9_.-]+$/.test(part))
  if (bad !== undefined)
    throw invalid(
      `${goQuote(bad)} is an invalid component of ${goQuote(text)}: platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`,
    )
  if (parts.length > 3) throw invalid(`${goQuote(text)}: cannot parse platform specifier: invalid argument`)
  const [first = '', architecture, variant] = parts
  if (architecture === undefined)
    return SYSTEMS.includes(first)
      ? { os: first, architecture: process.arch === 'x64' ? 'amd64' : process.arch }
      : { os: process.platform, architecture: first }
  return { os: first, architecture, ...(variant === undefined ? {} : { variant }) }
}
