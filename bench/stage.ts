// What every part of the engine's measurement has in its hands: the two sides, an image, how much to do, and a table to fill.
import { alternate, takeTurns, timed } from './measure.ts'
import type { Peer } from './peers.ts'
import { machineLine, writeSection } from './report.ts'

/** `BENCH_SCALE`: of counts, sizes and durations. Below 1 nothing is written: it shows that the parts work, not how fast. */
export const SCALE = Number(process.env['BENCH_SCALE'] ?? 1)

export type Unit = 'ms' | 's' | 'MB' | '/s' | 'MB/s'

export interface Column {
  what: string
  unit: Unit
}

interface Row extends Column {
  /** Per side. */
  values: number[]
}

export interface Part {
  /** What BENCH_ONLY chooses it by. */
  name: string
  /** Of its section in bench/RESULTS.md. */
  title: string
  /** What the numbers are of, for the reader of the table. */
  about: string
  /** After which it is given up, at scale 1. */
  limitSeconds: number
  /** Removes what it made also when it fails. */
  measure(stage: Stage): Promise<void>
}

/** At least one of what is counted. */
export function scaled(count: number): number {
  return Math.max(1, Math.round(count * SCALE))
}

export class Stage {
  readonly peers: readonly Peer[]
  readonly registry: string
  readonly image: string
  readonly #rows: Row[] = []

  constructor(peers: readonly Peer[], registry: string) {
    this.peers = peers
    this.registry = registry
    this.image = `${registry}/busybox:latest`
  }

  /** A row of the medians of times; the first touch is not measured. */
  async time(what: string, repeats: number, work: (peer: Peer) => Promise<unknown>): Promise<void> {
    await this.number({ what, unit: 'ms' }, repeats, (peer) => timed(() => work(peer)))
  }

  /** The same for work that does the counting itself. */
  async number(column: Column, repeats: number, work: (peer: Peer) => Promise<number>): Promise<void> {
    const samples = await alternate(this.peers, scaled(repeats), work)
    this.row({ ...column, values: samples.map(({ median }) => median) })
  }

  /** Several rows from one kind of work. Its first touch counts. */
  async numbers(columns: readonly Column[], repeats: number, work: (peer: Peer) => Promise<number[]>): Promise<void> {
    const sides = await takeTurns(this.peers, scaled(repeats), work)
    columns.forEach((column, index) => {
      this.row({ ...column, values: sides.map((samples) => samples[index]?.median ?? Number.NaN) })
    })
  }

  row(row: Row): void {
    this.#rows.push(row)
    console.log(formatRow(row))
  }

  /** Writes the part's section, if this was the whole of it. */
  report({ title, about }: Part): void {
    if (SCALE < 1) return
    const head = ['| what | berth | dockerd | times better |', '|---|---|---|---|']
    writeSection(title, [about, machineLine(), '', ...head, ...this.#rows.map(formatRow)].join('\n'))
  }
}

/** More is better of a rate, less of anything else. */
function formatRow({ what, unit, values: [ours = Number.NaN, theirs] }: Row): string {
  const cell = (value: number | undefined) => (value === undefined ? '–' : `${formatNumber(value)} ${unit}`)
  const times = theirs === undefined ? Number.NaN : unit.endsWith('/s') ? ours / theirs : theirs / ours
  const ratio = Number.isFinite(times) ? times.toFixed(2) : '–'
  return `| ${what} | ${cell(ours)} | ${cell(theirs)} | ${ratio} |`
}

function formatNumber(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : 0)
}
