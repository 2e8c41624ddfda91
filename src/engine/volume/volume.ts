// A volume, and what a driver does for it. Labels and options are the engine's to keep; where the data is, is the driver's.
import { type Failure, withSubject } from '../../base/failure.ts'

export const LOCAL_DRIVER = 'local'
/** Docker's mark of a volume that nobody named. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous'

export type VolumeOptions = Readonly<Record<string, string>>

/** What is on disk of a volume. Null and empty are different to clients. */
export interface VolumeRecord {
  version: 1
  readonly name: string
  readonly driver: string
  readonly labels: Readonly<Record<string, string>> | null
  readonly options: VolumeOptions | null
  /** RFC 3339. */
  readonly createdAt: string
}

/** A volume as its driver knows it. */
export interface DriverVolume {
  readonly name: string
  /** Empty where the driver gives one only to who mounts it. */
  readonly mountpoint: string
  /** RFC 3339; undefined where the driver does not say. */
  readonly createdAt?: string | undefined
  readonly status?: Readonly<Record<string, unknown>> | undefined
}

export interface Volume extends DriverVolume {
  readonly driver: string
  readonly labels: VolumeRecord['labels']
  readonly options: VolumeOptions | null
  readonly scope: VolumeScope
}

export type VolumeScope = 'local' | 'global'

/** All throw Failure. `holder` is one mount of one container; a driver counts them. */
export interface VolumeDriver {
  readonly name: string
  scope(): Promise<VolumeScope>
  /** Idempotent. */
  create(record: VolumeRecord): Promise<void>
  remove(name: string): Promise<void>
  /** Undefined where the driver has no such volume; throws where it could not be asked. */
  get(name: string): Promise<DriverVolume | undefined>
  list(): Promise<DriverVolume[]>
  /** Answers where the data is. Idempotent for one holder. */
  mount(name: string, holder: string): Promise<string>
  unmount(name: string, holder: string): Promise<void>
}

/** `create data: …`: Docker's form of an error of a volume's. */
export function volumeFailure(operation: 'create' | 'get' | 'remove' | 'list', name: string, error: unknown): Failure {
  return withSubject(`${operation} ${name}`, error)
}
