// Snapshots: each record has its directory, and its chain of parents is whole.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { jsonCodec } from '../metadata/codec.ts'
import { readSnapshotInfo } from '../snapshots/snapshot-info.ts'
import type { SnapshotRecord } from '../snapshots/snapshot-records.ts'
import { listDirectory } from './check-content.ts'
import type { Finding } from './finding.ts'
import type { Entry, Records } from './load-records.ts'

/** By bucket: the name that clients know, which is the directory's too. */
export const SNAPSHOTTERS = { snapshots: 'overlayfs', 'snapshots-native': 'native' } as const
export type SnapshotBucketName = keyof typeof SNAPSHOTTERS

export const SNAPSHOT_CODEC = jsonCodec<SnapshotRecord>()

export function checkSnapshots(root: string, records: Records): Finding[] {
  return (Object.keys(SNAPSHOTTERS) as SnapshotBucketName[]).flatMap((bucket) =>
    checkSnapshotter(root, bucket, records),
  )
}

export function snapshotDirectory(root: string, bucket: SnapshotBucketName, id: number | string): string {
  return join(root, SNAPSHOTTERS[bucket], 'snapshots', String(id))
}

function checkSnapshotter(root: string, bucket: SnapshotBucketName, records: Records): Finding[] {
  const snapshots = records.list(bucket, SNAPSHOT_CODEC)
  const byName = new Map(snapshots.map((entry) => [`${entry.namespace}/${entry.name}`, entry]))
  const byId = new Map<number, Entry<SnapshotRecord>>()
  const findings: Finding[] = []
  for (const entry of snapshots) {
    const other = byId.get(entry.value.id)
    if (other !== undefined)
      findings.push({
        code: 'snapshot-id-shared',
        subject: entry.name,
        text: `it shares its directory with ${other.name}`,
      })
    byId.set(entry.value.id, entry)
    findings.push(...checkDirectory(root, bucket, entry), ...checkParents(byName, entry))
  }
  for (const { name } of listDirectory(join(root, SNAPSHOTTERS[bucket], 'snapshots')))
    if (!byId.has(Number(name)))
      findings.push({
        code: 'snapshot-without-record',
        subject: `${SNAPSHOTTERS[bucket]}/${name}`,
        text: 'a directory of no snapshot',
        repair: [{ kind: 'at-start' }],
      })
  return findings
}

function checkDirectory(
  root: string,
  bucket: SnapshotBucketName,
  { key, namespace, name, value }: Entry<SnapshotRecord>,
): Finding[] {
  if (bucket === 'snapshots-native' && value.kind === 'view' && value.parent !== '') return [] // it shows its parent's
  const directory = snapshotDirectory(root, bucket, value.id)
  if (!existsSync(join(directory, 'fs')))
    return [
      {
        code: 'snapshot-directory-missing',
        subject: name,
        text: `${directory}/fs is not there`,
        repair: [{ kind: 'remove', key }],
      },
    ]
  const info = readSnapshotInfo(directory)
  const isSame =
    info?.namespace === namespace && info.name === name && info.kind === value.kind && info.parent === value.parent
  return isSame
    ? []
    : [{ code: 'snapshot-info', subject: name, text: `${directory}/info.json does not say what the record says` }]
}

function checkParents(
  byName: ReadonlyMap<string, Entry<SnapshotRecord>>,
  { namespace, name, value }: Entry<SnapshotRecord>,
): Finding[] {
  if (value.parent === '') return []
  const parent = byName.get(`${namespace}/${value.parent}`)
  if (parent === undefined)
    return [
      {
        code: 'snapshot-parent-missing',
        subject: name,
        text: `its parent ${value.parent} is gone; unpack the image that has it again`,
      },
    ]
  if (parent.value.kind !== 'committed')
    return [{ code: 'snapshot-parent-kind', subject: name, text: `its parent ${value.parent} is ${parent.value.kind}` }]
  const seen = new Set<string>([name])
  for (
    let at: Entry<SnapshotRecord> | undefined = parent;
    at !== undefined;
    at = byName.get(`${namespace}/${at.value.parent}`)
  ) {
    if (seen.has(at.name))
      return [{ code: 'snapshot-parent-circle', subject: name, text: 'it is among its own parents' }]
    seen.add(at.name)
  }
  return []
}
