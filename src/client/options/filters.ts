// `--filter key=value` as the JSON that the Engine API wants.
import { invalid } from './values.ts'

export function checkFilter(entry: string): void {
  if (entry !== '' && !entry.includes('=')) throw invalid('bad format of filter (expected name=value)')
}

/** Undefined where there are none. */
export function parseFilters(entries: readonly string[]): string | undefined {
  const filters: Record<string, Record<string, boolean>> = {}
  for (const entry of entries) {
    if (entry === '') continue
    const equals = entry.indexOf('=')
    const key = entry.slice(0, equals).trim().toLowerCase()
    filters[key] = { ...filters[key], [entry.slice(equals + 1).trim()]: true }
  }
  return Object.keys(filters).length === 0 ? undefined : JSON.stringify(filters)
}
