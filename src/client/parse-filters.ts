// `--filter key=value` as the JSON that the Engine API wants.
import { Failure } from '../base/failure.ts'

/** Undefined where there are none. */
export function parseFilters(entries: readonly string[]): string | undefined {
  if (entries.length === 0) return undefined
  const filters: Record<string, Record<string, boolean>> = {}
  for (const entry of entries) {
    const equals = entry.indexOf('=')
    if (equals < 0)
      throw new Failure(
        'invalid-argument',
        `invalid argument ${JSON.stringify(entry)} for "-f, --filter" flag: invalid filter '${entry}': bad format of filter (expected name=value)`,
      )
    const key = entry.slice(0, equals).trim().toLowerCase()
    filters[key] = { ...filters[key], [entry.slice(equals + 1).trim()]: true }
  }
  return JSON.stringify(filters)
}
