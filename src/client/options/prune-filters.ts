// The filters of the prune commands: those of the command line, and those that config.json always adds.
import type { ConfigFile } from '../connection/config-file.ts'
import { parseFilters } from './filters.ts'

/** What the command line says of a label counts more than its opposite in config.json. */
export function pruneFilters(given: readonly string[], config: ConfigFile): string | undefined {
  const OPPOSITE: Record<string, string> = { label: 'label!', 'label!': 'label' }
  const usual = (config.pruneFilters ?? []).filter((entry) => {
    const equals = entry.indexOf('=')
    const opposite = OPPOSITE[entry.slice(0, equals)]
    return equals >= 0 && !(opposite !== undefined && given.includes(`${opposite}=${entry.slice(equals + 1)}`))
  })
  return parseFilters([...given, ...usual])
}
