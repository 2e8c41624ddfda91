// What `--log-opt labels`, `env` and `tag` add to each entry of a log. It is the same for all of a container's entries, so it is added
// when they are read.
import { shortId } from '../../base/ids.ts'
import type { Container } from '../container/container.ts'

/** Longer expressions are not tried: JavaScript's can take exponential time. */
const PATTERN_LENGTH_MAX = 256

export function logAttributes({ record }: Container): Record<string, string> {
  const { config, hostConfig } = record
  const options = hostConfig.LogConfig?.Config ?? {}
  const variables = (config.Env ?? []).map((text): [string, string] => {
    const equals = text.indexOf('=')
    return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
  })
  const tag = options['tag'] ?? ''
  return {
    ...choose(Object.entries(config.Labels ?? {}), options['labels'], options['labels-regex']),
    ...choose(variables, options['env'], options['env-regex']),
    ...(tag === '' ? {} : { tag: expandTag(tag, record) }),
  }
}

function choose(
  entries: readonly (readonly [string, string])[],
  list: string | undefined,
  pattern: string | undefined,
): Record<string, string> {
  const names = new Set((list ?? '').split(',').map((name) => name.trim()))
  const isMatch = pattern === undefined || pattern.length > PATTERN_LENGTH_MAX ? () => false : matcher(pattern)
  return Object.fromEntries(entries.filter(([name]) => names.has(name) || isMatch(name)))
}

function matcher(pattern: string): (name: string) => boolean {
  try {
    const expression = new RegExp(pattern)
    return (name) => name.length <= PATTERN_LENGTH_MAX && expression.test(name)
  } catch {
    return () => false
  }
}

/** `{{.Name}}/{{.ID}}`; what is no field stays as it stands. */
function expandTag(tag: string, record: Container['record']): string {
  const fields: Record<string, string> = {
    ID: shortId(record.id),
    FullID: record.id,
    Name: record.name,
    ImageID: shortId(record.image.id.replace(/^sha256:/, '')),
    ImageFullID: record.image.id,
    ImageName: record.config.Image ?? '',
    DaemonName: 'docker',
  }
  return tag.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (text, name: string) => fields[name] ?? text)
}
