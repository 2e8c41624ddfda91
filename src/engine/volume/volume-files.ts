// The volumes directory: a directory per volume of the local driver, with its record and its data, and a record per volume of other drivers.
//
// A directory appears under its name with everything in it, by a rename, and goes by one: after a crash a volume is there whole or not at all. What is
// in the making or on its way out has a name with a dot in front, which no volume can have.
import { randomBytes, createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  DRAFT_SUFFIX,
  makeDurableDirectory,
  readTextIfExists,
  replaceFile,
  syncDirectorySync,
} from '../../base/atomic-file.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { removeTree } from '../../trees/remove-tree.ts'
import { LOCAL_DRIVER, type VolumeRecord } from './volume.ts'

export const DATA = '_data'
const RECORD = 'volume.json'
/** Holds the id of the container that the volume was made for, until there is a record of that container; and of one that goes with its volumes. */
const UNCLAIMED = 'unclaimed'
const MAKING = '.making-'
const LEAVING = '.leaving-'
const OTHERS = '.other-drivers'
export const HELD = '.held-mounts'
const DATA_MODE = 0o755

export interface LoadedVolumes {
  records: VolumeRecord[]
  /** Why the volumes that these names belong to cannot be used: they may be a newer version's. */
  unusable: Map<string, string>
  /** Volumes by the containers that they were made for. */
  unclaimed: Map<string, string>
  /** Directories that a crash has left half made or half removed, for `removeTree`. */
  leftovers: string[]
}

/** Reads every record. A directory without one is a volume without options. */
export function loadVolumes(directory: string, log: Log): LoadedVolumes {
  makeDurableDirectory(directory, 0o701)
  const loaded: LoadedVolumes = { records: [], unusable: new Map(), unclaimed: new Map(), leftovers: [] }
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.name.startsWith(MAKING) || entry.name.startsWith(LEAVING)) loaded.leftovers.push(path)
    else if (entry.isDirectory() && !entry.name.startsWith('.'))
      take(loaded, entry.name, log, () => readLocal(path, entry.name))
  }
  const others = join(directory, OTHERS)
  for (const name of existsSync(others) ? readdirSync(others) : []) {
    const path = join(others, name)
    if (name.endsWith(DRAFT_SUFFIX)) rmSync(path, { force: true })
    else take(loaded, name, log, () => parseRecord(readTextIfExists(path) ?? ''))
  }
  for (const { name, driver } of loaded.records) {
    const owner = driver === LOCAL_DRIVER ? readTextIfExists(join(directory, name, UNCLAIMED)) : undefined
    if (owner !== undefined) loaded.unclaimed.set(name, owner)
  }
  return loaded
}

function take(loaded: LoadedVolumes, name: string, log: Log, read: () => VolumeRecord): void {
  try {
    loaded.records.push(read())
  } catch (error) {
    loaded.unusable.set(name, messageOf(error))
    log.error('volume record is not usable', { volume: name, error: messageOf(error) })
  }
}

function readLocal(path: string, name: string): VolumeRecord {
  const text = readTextIfExists(join(path, RECORD))
  if (text === undefined)
    return {
      version: 1,
      name,
      driver: LOCAL_DRIVER,
      labels: null,
      options: null,
      createdAt: statSync(path).ctime.toISOString(),
    }
  const record = parseRecord(text)
  if (record.name !== name) throw new Error(`the record of ${record.name}`)
  return record
}

function parseRecord(text: string): VolumeRecord {
  const record = JSON.parse(text) as VolumeRecord
  if (record.version !== 1) throw new Error(`version ${record.version}`)
  for (const part of ['name', 'driver', 'createdAt'] as const)
    if (typeof record[part] !== 'string') throw new Error(`${part} is missing`)
  for (const part of ['labels', 'options'] as const)
    if (typeof record[part] !== 'object') throw new Error(`${part} is missing`)
  return record
}

/** Durable when it returns. Throws already-exists where something of that name is there. */
export function makeLocalVolume(
  directory: string,
  record: VolumeRecord,
  unclaimedBy: string | undefined,
  owner?: { uid: number; gid: number },
): void {
  const draft = join(directory, `${MAKING}${randomBytes(12).toString('hex')}`)
  const path = join(directory, record.name)
  try {
    mkdirSync(draft, { mode: 0o701 })
    mkdirSync(join(draft, DATA))
    chmodSync(join(draft, DATA), DATA_MODE) // whatever the umask is: containers' users read there
    if (owner !== undefined) chownSync(join(draft, DATA), owner.uid, owner.gid)
    writeSynced(join(draft, RECORD), JSON.stringify(record))
    if (unclaimedBy !== undefined) writeSynced(join(draft, UNCLAIMED), unclaimedBy)
    syncDirectorySync(draft)
    if (existsSync(path)) throw new Failure('already-exists', `volume directory ${path} already exists`)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    throw error
  }
  syncDirectorySync(directory)
}

/** Resolves when everything is gone; from its first step on the volume is gone for every engine that starts. */
export async function removeLocalVolume(directory: string, name: string): Promise<void> {
  const leaving = join(directory, `${LEAVING}${randomBytes(12).toString('hex')}`)
  try {
    renameSync(join(directory, name), leaving)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return
  }
  syncDirectorySync(directory)
  await removeTree(leaving)
}

/** Says until `claimVolume` that the volume goes where no record of the container is. */
export function markUnclaimed(directory: string, name: string, containerId: string): void {
  if (existsSync(join(directory, name))) writeFileSync(join(directory, name, UNCLAIMED), containerId)
}

/** The volume is kept until a user says otherwise. Durable: came the mark back, the volume would go once its container has gone. */
export function claimVolume(directory: string, name: string): void {
  const path = join(directory, name, UNCLAIMED)
  if (!existsSync(path)) return
  rmSync(path, { force: true })
  syncDirectorySync(join(directory, name))
}

/** Of a volume of another driver than ours. Names are that driver's affair, so they make no file names. */
export async function saveOtherRecord(directory: string, record: VolumeRecord): Promise<void> {
  makeDurableDirectory(join(directory, OTHERS))
  await replaceFile(otherRecord(directory, record.name), JSON.stringify(record), { durability: 'durable' })
}

export function removeOtherRecord(directory: string, name: string): void {
  const path = otherRecord(directory, name)
  if (!existsSync(path)) return
  rmSync(path, { force: true })
  syncDirectorySync(join(directory, OTHERS))
}

function otherRecord(directory: string, name: string): string {
  return join(directory, OTHERS, createHash('sha256').update(name).digest('hex'))
}

function writeSynced(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
