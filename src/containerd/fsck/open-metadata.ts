// Opens the metadata store, whatever state it is in: a database that is damaged is set aside, one that is missing is missed, and either is built again. So
// a daemon never dies of its database, and never again and again.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { syncDirectorySync } from '../../base/atomic-file.ts'
import { isFailure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { settleReplayedBlobs } from '../content/replayed-blobs.ts'
import { settleReplayedImages } from '../images/replayed-images.ts'
import { MetadataStore, writeDatabase } from '../metadata/metadata-store.ts'
import { checkReadable } from './check-references.ts'
import { loadRecords } from './load-records.ts'
import { hasThings, type Rebuilt, rebuildRecords } from './rebuild-records.ts'

const DATABASE = 'meta.db'
/** Complete once it has this name; a crash before leaves the other one. */
const REBUILT = 'meta.db.rebuilt'
const UNFINISHED = 'meta.db.unfinished'

/** The caller holds the root's lock. */
export async function openMetadata(root: string, state: string, log: Log): Promise<MetadataStore> {
  const path = join(root, DATABASE)
  mkdirSync(root, { recursive: true, mode: 0o700 })
  putInPlace(root, log)
  if (!existsSync(path) && hasThings(root)) {
    log.error('the metadata database is missing; it is built again from what is on disk', { path })
    await rebuild(root, state, log)
  }
  const settle = async (store: MetadataStore) =>
    settleReplayedImages(store, await settleReplayedBlobs(store, join(root, 'content')))
  try {
    return await MetadataStore.open(root, log, settle)
  } catch (error) {
    if (!isFailure(error, 'data-loss')) throw error
    log.error('the metadata database is built again from what is on disk', { error: messageOf(error) })
  }
  await rebuild(root, state, log)
  return await MetadataStore.open(root, log, settle)
}

async function rebuild(root: string, state: string, log: Log): Promise<void> {
  const old = loadRecords(root)
  checkReadable(old)
  const rebuilt = rebuildRecords(root, state, old)
  const unfinished = join(root, UNFINISHED)
  removeDatabase(unfinished)
  await writeDatabase(unfinished, rebuilt.records)
  renameSync(unfinished, join(root, REBUILT))
  syncDirectorySync(root)
  putInPlace(root, log)
  tell(rebuilt, log)
}

/** Safe to repeat after a crash at any of its steps. */
function putInPlace(root: string, log: Log): void {
  const [path, rebuilt] = [join(root, DATABASE), join(root, REBUILT)]
  removeDatabase(join(root, UNFINISHED))
  if (!existsSync(rebuilt)) return
  if (existsSync(path)) {
    const damaged = `${path}.damaged-${new Date().toISOString().replace(/[:.]/g, '')}`
    renameSync(path, damaged)
    log.warn('the damaged metadata database is kept', { path: damaged })
  }
  rmSync(`${path}-lock`, { force: true })
  renameSync(rebuilt, path)
  syncDirectorySync(root)
}

function removeDatabase(path: string): void {
  for (const each of [path, `${path}-lock`]) rmSync(each, { force: true })
}

function tell({ salvaged, content, snapshots, containers, namelessImages }: Rebuilt, log: Log): void {
  log.warn('the metadata database was built again', { salvaged, content, snapshots, containers })
  for (const image of namelessImages) log.warn('the name of an image is lost', { image })
}
