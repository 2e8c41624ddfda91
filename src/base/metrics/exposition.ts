// Prometheus' text format, version 0.0.4: families of samples. A library for it would be larger than all that is measured here.

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  labels: Labels
  value: number
  /** What follows the family's name: `_bucket`, `_sum`, `_count` of a histogram. */
  suffix?: string
}

export interface Family {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  samples: readonly Sample[]
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** By name; families of one name are one. Those without samples are left out. */
export function formatFamilies(families: Iterable<Family>): string {
  const byName = new Map<string, Family>()
  for (const family of families) {
    const known = byName.get(family.name)
    byName.set(family.name, known === undefined ? family : { ...known, samples: [...known.samples, ...family.samples] })
  }
  return [...byName.values()]
    .filter(({ samples }) => samples.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(formatFamily)
    .join('')
}

function formatFamily({ name, help, type, samples }: Family): string {
  const lines = samples.map(({ labels, value, suffix = '' }) => `${name}${suffix}${formatLabels(labels)} ${value}\n`)
  return `# HELP ${name} ${help.replace(/[\\\n]/g, (found) => (found === '\n' ? '\\n' : '\\\\'))}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}="${escapeValue(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeValue(value: string): string {
  return value.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`))
}

/** Prometheus' own default: from 5 ms to 10 s. */
const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Histogram {
  readonly #counts = new Array<number>(BUCKETS_S.length).fill(0)
  #count = 0
  #sum = 0

  observe(seconds: number): void {
    const at = BUCKETS_S.findIndex((limit) => seconds <= limit)
    if (at >= 0) this.#counts[at]!++
    this.#count++
    this.#sum += seconds
  }

  samples(labels: Labels): Sample[] {
    let below = 0
    const buckets = BUCKETS_S.map((limit, at) => {
      below += this.#counts[at] ?? 0
      return { suffix: '_bucket', labels: { ...labels, le: String(limit) }, value: below }
    })
    return [
      ...buckets,
      { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: this.#count },
      { suffix: '_sum', labels, value: this.#sum },
      { suffix: '_count', labels, value: this.#count },
    ]
  }
}
