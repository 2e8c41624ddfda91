// `HEALTHCHECK [--interval=30s …] CMD command` and `HEALTHCHECK NONE`.
import type { HealthConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import { parseGoDuration } from '../../logs/go-values.ts'

const NS_PER_MS = 1_000_000
const MINIMUM_NS = NS_PER_MS
const DURATIONS: Readonly<Record<string, 'Interval' | 'Timeout' | 'StartPeriod' | 'StartInterval'>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
}

/** Throws Failure('invalid-argument'). `words` reads the exec form of a command. */
export function parseHealthcheck(text: string, words: (text: string) => string[] | undefined): HealthConfig {
  const health: HealthConfig = {}
  let rest = text
  for (let flag = /^--(\S*)\s*/.exec(rest); flag !== null; flag = /^--(\S*)\s*/.exec(rest)) {
    applyFlag(health, flag[1] ?? '')
    rest = rest.slice(flag[0].length)
  }
  const kind = /^\S+/.exec(rest)?.[0]
  if (kind === undefined) throw invalid('HEALTHCHECK requires at least one argument')
  const command = rest.slice(kind.length).trim()
  switch (kind.toUpperCase()) {
    case 'NONE':
      if (command !== '') throw invalid('HEALTHCHECK NONE takes no arguments')
      return { Test: ['NONE'] }
    case 'CMD': {
      if (command === '') throw invalid('Missing command after HEALTHCHECK CMD')
      const exec = words(command)
      return { ...health, Test: exec === undefined ? ['CMD-SHELL', command] : ['CMD', ...exec] }
    }
    default:
      throw invalid(`Unknown type ${JSON.stringify(kind.toUpperCase())} in HEALTHCHECK (try CMD)`)
  }
}

function applyFlag(health: HealthConfig, flag: string): void {
  const equals = flag.indexOf('=')
  const [name, value] = equals < 0 ? [flag, ''] : [flag.slice(0, equals), flag.slice(equals + 1)]
  const field = Object.hasOwn(DURATIONS, name) ? DURATIONS[name] : undefined
  if (field !== undefined) {
    const ns = Math.round(parseGoDuration(value) * NS_PER_MS)
    if (ns < 0) throw invalid(`Interval "${name}" cannot be negative`)
    if (ns > 0 && ns < MINIMUM_NS) throw invalid(`Interval "${name}" cannot be less than 1ms`)
    health[field] = ns
    return
  }
  if (name !== 'retries') throw invalid(`unknown flag: --${name}`)
  if (!/^\d{1,9}$/.test(value)) throw invalid(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`)
  health.Retries = Number(value)
}

function invalid(text: string): Failure {
  return new Failure('invalid-argument', text)
}
