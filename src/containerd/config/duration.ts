// Durations as Go writes and reads them: `1h2m3.5s`, `100ms`, `0`.
import { Failure } from '../../base/failure.ts'

const UNIT_MS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/y

/** In milliseconds. Throws `invalid-argument` in the words of Go's time.ParseDuration. */
export function parseDuration(text: string): number {
  const [, sign = '', rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return 0
  let totalMs = 0
  TERM.lastIndex = 0
  let end = 0
  for (let term = TERM.exec(rest); term !== null; term = TERM.exec(rest)) {
    totalMs += Number(term[1]) * (UNIT_MS[term[2]!] ?? Number.NaN)
    end = TERM.lastIndex
  }
  if (end === 0 || end !== rest.length) throw new Failure('invalid-argument', explain(text, rest.slice(end)))
  return sign === '-' ? -totalMs : totalMs
}

function explain(text: string, rest: string): string {
  const quoted = JSON.stringify(text)
  if (/^(?:\d+\.?\d*|\.\d+)$/.test(rest)) return `time: missing unit in duration ${quoted}`
  const unit = /^(?:\d+\.?\d*|\.\d+)([^\d.]+)/.exec(rest)?.[1]
  return unit === undefined
    ? `time: invalid duration ${quoted}`
    : `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`
}
