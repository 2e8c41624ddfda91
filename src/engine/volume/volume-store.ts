// All volumes of the engine: records, the drivers that have the data, and who has mounted what. One operation at a time for each name.
import { join } from 'node:path'
import { Failure, isFailure, messageOf, withSubject } from '../../base/failure.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { KeyedMutex } from '../../base/keyed-mutex.ts'
import { removeTree } from '../../trees/remove-tree.ts'
import { HeldMounts } from './held-mounts.ts'
import { LocalDriver } from './local-driver.ts'
import type { FileSystemMounter } from './mount-file-system.ts'
import type { OtherDrivers } from './other-drivers.ts'
import {
  type DriverVolume,
  LOCAL_DRIVER,
  type Volume,
  type VolumeDriver,
  type VolumeOptions,
  type VolumeRecord,
  volumeFailure,
} from './volume.ts'
import { claimVolume, HELD, loadVolumes, markUnclaimed, removeOtherRecord, saveOtherRecord } from './volume-files.ts'

export interface NewVolume {
  name: string
  /** Empty: the one that has the volume already, else the local one. */
  driver: string
  options: VolumeOptions | null
  labels: Readonly<Record<string, string>> | null
  /** Until the volume is claimed it goes where there is no record of this container. */
  unclaimedBy?: string
}

export interface StoreOptions {
  directory: string
  mounter: FileSystemMounter
  /** Of what local volumes hold; left out: root. */
  dataOwner?: { uid: number; gid: number } | undefined
  others: OtherDrivers
  clock: Clock
  log: Log
}

export class VolumeStore {
  /** `<data-root>/volumes`. */
  readonly directory: string
  readonly #options: StoreOptions
  readonly #local: LocalDriver
  readonly #records = new Map<string, VolumeRecord>()
  readonly #unusable: ReadonlyMap<string, string>
  readonly #unclaimed: Map<string, string>
  readonly #leftovers: readonly string[]
  readonly #locks = new KeyedMutex()
  readonly #held: HeldMounts
  readonly #adopted = new Set<string>()

  private constructor(options: StoreOptions) {
    this.directory = options.directory
    this.#options = options
    const { records, unusable, unclaimed, leftovers } = loadVolumes(options.directory, options.log)
    for (const record of records) this.#records.set(record.name, record)
    this.#unusable = unusable
    this.#unclaimed = unclaimed
    this.#leftovers = leftovers
    const local = records.filter(({ driver }) => driver === LOCAL_DRIVER)
    this.#held = new HeldMounts(join(options.directory, HELD))
    this.#local = new LocalDriver(options.directory, options.mounter, local, options.dataOwner)
  }

  static open(options: StoreOptions): VolumeStore {
    return new VolumeStore(options)
  }

  /** Idempotent: a volume of that name and driver is answered as it is. Throws conflict where another driver has it. */
  async create(request: NewVolume): Promise<{ volume: Volume; isNew: boolean }> {
    return await this.#locks.run(request.name, async () => {
      try {
        return await this.#create(request)
      } catch (error) {
        throw volumeFailure('create', request.name, error)
      }
    })
  }

  async #create(request: NewVolume): Promise<{ volume: Volume; isNew: boolean }> {
    const { name } = request
    const known = await this.#findExisting(name, request.driver)
    if (known !== undefined) return { volume: known, isNew: false }
    const driver = await this.#driver(request.driver || LOCAL_DRIVER)
    const record: VolumeRecord = {
      version: 1,
      name,
      driver: driver.name,
      labels: request.labels,
      options: request.options,
      createdAt: rfc3339(this.#options.clock.now()),
    }
    if (driver === this.#local) await this.#local.create(record, request.unclaimedBy)
    else {
      await driver.create(record)
      await saveOtherRecord(this.directory, record)
    }
    this.#records.set(name, record)
    const found = (await driver.get(name)) ?? { name, mountpoint: '' }
    return { volume: await this.#describe(driver, found, record), isNew: true }
  }

  async #findExisting(name: string, wanted: string): Promise<Volume | undefined> {
    const record = this.#record(name)
    if (record === undefined) return wanted === '' ? await this.#probe(name) : undefined
    const isOther = wanted !== '' && (await this.#driver(wanted)).name !== record.driver
    const found = await this.#look(record, (error) => {
      const what = `found reference to volume '${name}' in driver '${record.driver}', but got an error while checking the driver: `
      return new Failure('conflict', `${what}${error.message}: volume name must be unique`)
    })
    if (found !== undefined && isOther)
      throw new Failure(
        'conflict',
        `driver '${record.driver}' already has volume '${name}': volume name must be unique`,
      )
    if (found === undefined) this.#forget(record)
    return found
  }

  /** Undefined where there is none. Throws where its driver cannot be asked. */
  async find(name: string): Promise<Volume | undefined> {
    return await this.#locks.run(name, async () => {
      const record = this.#record(name)
      if (record === undefined) return await this.#probe(name)
      const found = await this.#look(record, (error) =>
        withSubject(
          `error while checking if volume ${JSON.stringify(name)} exists in driver ${JSON.stringify(record.driver)}`,
          error,
        ),
      )
      if (found === undefined) this.#forget(record)
      return found
    })
  }

  /** Throws `get data: no such volume`. */
  async require(name: string): Promise<Volume> {
    try {
      const found = await this.find(name)
      if (found !== undefined) return found
    } catch (error) {
      throw volumeFailure('get', name, error)
    }
    throw new Failure('not-found', `get ${name}: no such volume`)
  }

  /** Sorted by name. A driver that fails costs a warning, and its volumes are listed as far as they are known. */
  async list(): Promise<{ volumes: Volume[]; warnings: string[] }> {
    const warnings: string[] = []
    const found: Volume[] = []
    for (const driver of [this.#local, ...(await this.#options.others.all())]) {
      try {
        for (const each of await driver.list()) {
          const record = this.#records.get(each.name)
          if (record === undefined || record.driver === driver.name)
            found.push(await this.#describe(driver, each, record))
        }
      } catch (error) {
        warnings.push(volumeFailure('list', driver.name, error).message)
        for (const record of this.#records.values())
          if (record.driver === driver.name)
            found.push(await this.#describe(driver, { name: record.name, mountpoint: '' }, record))
      }
    }
    return { volumes: found.sort((a, b) => (a.name < b.name ? -1 : 1)), warnings }
  }

  /**
   * `references` is asked when nobody can mount the volume any more; where it names somebody, this throws conflict. `isForced`: what is known of
   * the volume goes, whatever its driver says. Answers what was removed; undefined where there is no such volume.
   */
  async remove(
    name: string,
    options: { isForced: boolean; references: () => readonly string[] },
  ): Promise<Volume | undefined> {
    const volume = await this.find(name).catch((error: unknown) => {
      if (!options.isForced || isFailure(error, 'data-loss')) throw volumeFailure('get', name, error)
      return undefined
    })
    if (volume === undefined && !(options.isForced && this.#records.has(name))) return undefined
    return await this.#locks.run(name, async () => {
      const references = options.references()
      if (references.length > 0)
        throw new Failure('conflict', `remove ${name}: volume is in use - [${references.join(', ')}]`)
      const record = this.#records.get(name)
      try {
        await (await this.#driver(volume?.driver ?? record?.driver ?? LOCAL_DRIVER)).remove(name)
      } catch (error) {
        if (options.isForced && record !== undefined) this.#forget(record)
        throw volumeFailure('remove', name, error)
      }
      if (record !== undefined) this.#forget(record)
      return volume
    })
  }

  /** Where the data is, for one mount of one container. */
  async mount(name: string, holder: string): Promise<string> {
    return await this.#locks.run(name, async () => {
      const driver = await this.#driverOf(name)
      if (driver === this.#local) return await driver.mount(name, holder)
      this.#held.add({ volume: name, holder })
      try {
        return await driver.mount(name, holder)
      } catch (error) {
        this.#held.remove({ volume: name, holder })
        throw error
      }
    })
  }

  async unmount(name: string, holder: string): Promise<void> {
    await this.#locks.run(name, async () => {
      await (await this.#driverOf(name)).unmount(name, holder)
      this.#held.remove({ volume: name, holder })
    })
  }

  /** After a restart of the engine, for each mount of a container that runs on. */
  adopt(name: string, holder: string): void {
    if (this.#records.get(name)?.driver === LOCAL_DRIVER) this.#local.adopt(name, holder)
    else this.#adopted.add(holder)
  }

  /** The container that these volumes were made for has a record now. */
  claim(names: readonly string[]): void {
    for (const name of names) if (this.#records.get(name)?.driver === LOCAL_DRIVER) claimVolume(this.directory, name)
  }

  /** The container goes, and these of its volumes with it: should a crash come in between, the next engine removes them. */
  unclaim(names: readonly string[], containerId: string): void {
    for (const name of names)
      if (this.#records.get(name)?.driver === LOCAL_DRIVER) markUnclaimed(this.directory, name, containerId)
  }

  /** Once, when all containers are known and those that run are adopted. `references` are those of `remove`, by name. */
  async sweep(
    isOwned: (containerId: string) => boolean,
    references: (name: string) => readonly string[],
  ): Promise<void> {
    for (const [name, owner] of this.#unclaimed) {
      if (isOwned(owner) || references(name).length > 0) claimVolume(this.directory, name)
      else await this.remove(name, { isForced: true, references: () => references(name) })
    }
    this.#unclaimed.clear()
    this.#local.sweep()
    for (const { volume, holder } of this.#held.list())
      if (!this.#adopted.has(holder)) void this.#giveBack(volume, holder)
    for (const path of this.#leftovers) void this.#removeLeftover(path)
  }

  /** Nobody waits for it: there may be much of it. What can't be removed is no reason not to start. */
  async #removeLeftover(path: string): Promise<void> {
    try {
      await removeTree(path)
    } catch (error) {
      this.#options.log.warn('what is left of a volume could not be removed', { path, error: messageOf(error) })
    }
  }

  /** Nobody waits for it: a plugin may be long in coming. */
  async #giveBack(volume: string, holder: string): Promise<void> {
    try {
      await this.unmount(volume, holder)
    } catch (error) {
      this.#options.log.warn('a volume of an earlier engine could not be unmounted', {
        volume,
        error: messageOf(error),
      })
    }
  }

  /** `local`, and those that have been used. */
  driverNames(): string[] {
    return [LOCAL_DRIVER, ...this.#options.others.names()].sort()
  }

  /** Asks every driver for a volume that there is no record of, and makes one. */
  async #probe(name: string): Promise<Volume | undefined> {
    for (const driver of await this.#options.others.all()) {
      const found = await driver.get(name).catch(() => undefined) // another may have it
      if (found === undefined) continue
      const createdAt = found.createdAt ?? rfc3339(this.#options.clock.now())
      const record: VolumeRecord = { version: 1, name, driver: driver.name, labels: null, options: null, createdAt }
      await saveOtherRecord(this.directory, record)
      this.#records.set(name, record)
      return await this.#describe(driver, found, record)
    }
    return undefined
  }

  async #look(record: VolumeRecord, explain: (error: Failure) => Failure): Promise<Volume | undefined> {
    try {
      const driver = await this.#driver(record.driver)
      const found = await driver.get(record.name)
      return found && (await this.#describe(driver, found, record))
    } catch (error) {
      throw isFailure(error) ? explain(error) : error
    }
  }

  async #describe(driver: VolumeDriver, found: DriverVolume, record: VolumeRecord | undefined): Promise<Volume> {
    return {
      ...found,
      driver: driver.name,
      labels: record?.labels ?? null,
      options: record?.options ?? null,
      scope: await driver.scope(),
    }
  }

  #record(name: string): VolumeRecord | undefined {
    const why = this.#unusable.get(name)
    if (why !== undefined) throw new Failure('data-loss', `the record of volume ${name} is not usable: ${why}`)
    return this.#records.get(name)
  }

  #forget({ name, driver }: VolumeRecord): void {
    this.#records.delete(name)
    if (driver !== LOCAL_DRIVER) removeOtherRecord(this.directory, name)
  }

  async #driverOf(name: string): Promise<VolumeDriver> {
    const record = this.#record(name)
    if (record === undefined) throw new Failure('not-found', `get ${name}: no such volume`)
    return await this.#driver(record.driver)
  }

  async #driver(name: string): Promise<VolumeDriver> {
    return name === LOCAL_DRIVER ? this.#local : await this.#options.others.require(name)
  }
}

/** To the second, as Docker tells it. */
function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
