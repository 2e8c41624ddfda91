// The differences from the original that are known, each with its reason: test/integration/parity/differences.json.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PARITY } from './parity-lines.ts'

/** What a reason starts with; after a colon comes what there is to say. */
export const REASONS = ['bug of the original', '20.10 older words', 'kernel here', 'ours is better'] as const

export interface KnownDifference {
  /** The clients' versions with which it shows. */
  clients: string[]
  chapter: string
  /** A line's key, or an HTTP exchange's name. */
  line: string
  reason: string
  /** `- ` words of the original's alone, `+ ` words of ours. Absent: they are not the same each time, or on each machine. */
  shows?: string[]
  /** May be there or not. */
  random?: true
}

const FILE = join(PARITY, 'differences.json')

export function loadDifferences(): KnownDifference[] {
  const list = JSON.parse(readFileSync(FILE, 'utf8')) as KnownDifference[]
  for (const { line, reason } of list)
    if (!REASONS.some((start) => reason.startsWith(`${start}: `)))
      throw new Error(`${line}: its reason is none of ${REASONS.join(', ')}: ${reason}`)
  return list
}

/** Sorted, so that a change is a small diff. */
export function saveDifferences(list: readonly KnownDifference[]): void {
  const key = ({ chapter, line, clients }: KnownDifference) => `${chapter}\0${line}\0${clients.join()}`
  const sorted = [...list].sort((a, b) => (key(a) < key(b) ? -1 : 1))
  writeFileSync(FILE, `${JSON.stringify(sorted, null, 2)}\n`)
}

/** Whether it may be absent: it is of chance, or of this machine's kernel. */
export function isOptional({ random, reason }: KnownDifference): boolean {
  return random === true || reason.startsWith('kernel here')
}
