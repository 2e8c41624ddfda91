// The local driver: a volume is a directory, or a file system that is mounted on that directory while a container uses it.
//
// Such a mount is in the host's table. After a kill -9 of the engine it stays as long as the containers do: the next engine counts those that run
// still (`adopt`), and unmounts what nobody holds (`sweep`).
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, isFailure, withSubject } from '../../base/failure.ts'
import { mountPointsBelow } from '../../linux/mount/mount-info.ts'
import { checkLocalOptions, needsMount } from './local-options.ts'
import type { FileSystemMounter } from './mount-file-system.ts'
import { type DriverVolume, LOCAL_DRIVER, type VolumeDriver, type VolumeOptions, type VolumeRecord } from './volume.ts'
import { DATA, makeLocalVolume, removeLocalVolume } from './volume-files.ts'

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/
const NAME_BYTES_MAX = 255

interface LocalVolume {
  readonly record: VolumeRecord
  readonly holders: Set<string>
}

export class LocalDriver implements VolumeDriver {
  readonly name = LOCAL_DRIVER
  readonly #directory: string
  /** The same without links, as the kernel names mount points. */
  readonly #realDirectory: string
  readonly #dataOwner: { uid: number; gid: number } | undefined
  readonly #mounter: FileSystemMounter
  readonly #volumes = new Map<string, LocalVolume>()

  constructor(
    directory: string,
    mounter: FileSystemMounter,
    records: readonly VolumeRecord[],
    dataOwner?: { uid: number; gid: number },
  ) {
    this.#dataOwner = dataOwner
    this.#directory = directory
    this.#realDirectory = realpathSync(directory)
    this.#mounter = mounter
    for (const record of records) this.#volumes.set(record.name, { record, holders: new Set() })
  }

  async scope(): Promise<'local'> {
    return 'local'
  }

  async create(record: VolumeRecord, unclaimedBy?: string): Promise<void> {
    checkName(record.name)
    checkLocalOptions(record.options ?? {})
    if (this.#volumes.has(record.name)) return
    try {
      makeLocalVolume(this.#directory, record, unclaimedBy, this.#dataOwner)
    } catch (error) {
      if (isFailure(error)) throw error
      throw new Failure(
        'unknown',
        `error while creating volume root path '${this.#pathOf(record.name)}': ${String(error)}`,
        { cause: error },
      )
    }
    this.#volumes.set(record.name, { record, holders: new Set() })
  }

  async remove(name: string): Promise<void> {
    const volume = this.#require(name)
    if (volume.holders.size > 0) throw new Failure('unknown', 'volume has active mounts')
    this.#unmountNow(volume)
    // What somebody has mounted in it is not the volume's: removing would empty that first.
    const [foreign] = this.#mountsIn(name)
    if (foreign !== undefined)
      throw new Failure('unknown', `error removing volume path '${foreign}': device or resource busy`)
    await removeLocalVolume(this.#directory, name)
    this.#volumes.delete(name)
  }

  async get(name: string): Promise<DriverVolume | undefined> {
    const volume = this.#volumes.get(name)
    return volume && this.#describe(volume)
  }

  async list(): Promise<DriverVolume[]> {
    return [...this.#volumes.values()].map((volume) => this.#describe(volume))
  }

  async mount(name: string, holder: string): Promise<string> {
    const volume = this.#require(name)
    const path = this.#dataOf(name)
    if (needsMount(volume.record.options) && !this.#isMounted(name))
      await this.#mountNow(path, volume.record.options ?? {})
    volume.holders.add(holder)
    return path
  }

  /** With the last holder the file system goes. */
  async unmount(name: string, holder: string): Promise<void> {
    const volume = this.#volumes.get(name)
    if (volume === undefined) return
    volume.holders.delete(holder)
    if (volume.holders.size === 0) this.#unmountNow(volume)
  }

  /** A container that runs on from before this engine's start has it. */
  adopt(name: string, holder: string): void {
    this.#volumes.get(name)?.holders.add(holder)
  }

  /** Unmounts what an earlier engine has mounted for containers that are down by now. */
  sweep(): void {
    for (const volume of this.#volumes.values()) if (volume.holders.size === 0) this.#unmountNow(volume)
  }

  async #mountNow(path: string, options: VolumeOptions): Promise<void> {
    try {
      await this.#mounter.mount({
        target: path,
        type: options['type'] ?? '',
        device: options['device'] ?? '',
        options: options['o'] ?? '',
      })
    } catch (error) {
      throw withSubject('failed to mount local volume', error)
    }
  }

  #unmountNow({ record }: LocalVolume): void {
    const path = this.#dataOf(record.name)
    if (needsMount(record.options) && this.#isMounted(record.name)) this.#mounter.unmount(path)
  }

  #require(name: string): LocalVolume {
    const volume = this.#volumes.get(name)
    if (volume === undefined) throw new Failure('not-found', 'no such volume')
    return volume
  }

  #describe({ record }: LocalVolume): DriverVolume {
    return { name: record.name, mountpoint: this.#dataOf(record.name), createdAt: record.createdAt }
  }

  #isMounted(name: string): boolean {
    return this.#mountsIn(name).includes(join(this.#realDirectory, name, DATA))
  }

  #mountsIn(name: string): string[] {
    return mountPointsBelow(join(this.#realDirectory, name))
  }

  #dataOf(name: string): string {
    return join(this.#pathOf(name), DATA)
  }

  #pathOf(name: string): string {
    return join(this.#directory, name)
  }
}

function checkName(name: string): void {
  if (name.length === 1)
    throw new Failure(
      'invalid-argument',
      'volume name is too short, names should be at least two alphanumeric characters',
    )
  if (!NAME.test(name))
    throw new Failure(
      'invalid-argument',
      `${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    )
  if (Buffer.byteLength(name) > NAME_BYTES_MAX)
    throw new Failure('invalid-argument', `${JSON.stringify(name)}: file name too long`)
}
