// `health`, with the original's keys and defaults.
import type { CheckSettings } from '../health/checks.ts'
import type { Section } from './section.ts'

const INTERVAL_MS = 10_000
const TIMEOUT_MS = 5000
const THRESHOLD = 3

export function parseHealth(health: Section): CheckSettings[] {
  const store = health.section('storagedriver')
  const isEnabled = store.flag('enabled') ?? false
  const ofStore = { name: 'storagedriver', ...pace(store), check: { kind: 'store' } } as const
  return [
    ...(isEnabled ? [ofStore] : []),
    ...health.sections('file').map(parseFile),
    ...health.sections('http').map(parseHttp),
    ...health.sections('tcp').map(parseTcp),
  ]
}

function parseFile(section: Section): CheckSettings {
  const path = section.requiredText('file')
  return { name: path, ...pace(section), threshold: 1, check: { kind: 'file', path } }
}

function parseHttp(section: Section): CheckSettings {
  const uri = section.requiredText('uri')
  if (!URL.canParse(uri)) throw section.wrong('uri', 'an address')
  const headers = Object.entries(section.textLists('headers')).map(([name, values]) => [name, values.join(', ')])
  const status = section.count('statuscode') ?? 200
  const timeoutMs = section.duration('timeout') ?? TIMEOUT_MS
  const check = { kind: 'http', uri, status, timeoutMs, headers: Object.fromEntries(headers) } as const
  return { name: uri, ...pace(section), check }
}

function parseTcp(section: Section): CheckSettings {
  const address = section.requiredText('addr')
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(address) ?? []
  if (host === undefined) throw section.wrong('addr', 'a host and a port')
  const timeoutMs = section.duration('timeout') ?? TIMEOUT_MS
  return { name: address, ...pace(section), check: { kind: 'tcp', host, port: Number(port), timeoutMs } }
}

function pace(section: Section): { intervalMs: number; threshold: number } {
  return { intervalMs: section.duration('interval') ?? INTERVAL_MS, threshold: section.count('threshold') ?? THRESHOLD }
}
