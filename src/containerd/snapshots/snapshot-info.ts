// What a snapshot's record says, once more beside its files: `<root>/snapshots/<id>/info.json`. The record counts; this is what a lost database is rebuilt from.
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DRAFT_SUFFIX, readTextIfExists } from '../../base/atomic-file.ts'
import type { Labels, SnapshotKind } from './snapshotter.ts'

export interface DescribedSnapshot {
  namespace: string
  name: string
  kind: SnapshotKind
  /** '' for none. */
  parent: string
  createdAtMs: number
  updatedAtMs: number
  labels: Labels
}

const FILE = 'info.json'
const KINDS: ReadonlySet<unknown> = new Set<SnapshotKind>(['active', 'view', 'committed'])

/** A snapshot without a directory of its own has none. */
export function writeSnapshotInfo(directory: string, snapshot: DescribedSnapshot): void {
  const { namespace, name, kind, parent, createdAtMs, updatedAtMs, labels } = snapshot
  const text = JSON.stringify({ namespace, name, kind, parent, createdAtMs, updatedAtMs, labels })
  const draft = join(directory, `${FILE}${DRAFT_SUFFIX}`) // always the same name: what a crash leaves is written over
  try {
    writeFileSync(draft, text, { mode: 0o600 })
    // A rename onto another file makes ext4 write the new one back at once, and that takes milliseconds. In between the draft counts.
    rmSync(join(directory, FILE), { force: true })
    renameSync(draft, join(directory, FILE))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    rmSync(draft, { force: true })
    throw error
  }
}

/** Undefined where there is none, or one that power loss has torn. */
export function readSnapshotInfo(directory: string): DescribedSnapshot | undefined {
  const text = readTextIfExists(join(directory, FILE)) ?? readTextIfExists(join(directory, `${FILE}${DRAFT_SUFFIX}`))
  if (text === undefined) return undefined
  try {
    const info: unknown = JSON.parse(text)
    return isDescribed(info) ? info : undefined
  } catch {
    return undefined
  }
}

function isDescribed(info: unknown): info is DescribedSnapshot {
  if (typeof info !== 'object' || info === null) return false
  const { namespace, name, kind, parent, createdAtMs, updatedAtMs, labels } = info as Record<string, unknown>
  const areTexts =
    [namespace, name, parent].every((text) => typeof text === 'string') && namespace !== '' && name !== ''
  const areTimes = [createdAtMs, updatedAtMs].every((time) => Number.isFinite(time))
  const areLabels =
    typeof labels === 'object' && labels !== null && Object.values(labels).every((label) => typeof label === 'string')
  return areTexts && areTimes && areLabels && KINDS.has(kind)
}
