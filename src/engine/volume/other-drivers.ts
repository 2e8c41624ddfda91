// Drivers besides the local one, as the store of volumes asks for them.
import type { VolumeDriver } from './volume.ts'

export interface OtherDrivers {
  /** Throws Failure `error looking up volume plugin x: …`, not-found where there is none. */
  require(name: string): Promise<VolumeDriver>
  /** All that are there now. */
  all(): Promise<VolumeDriver[]>
  /** Those that have been used. */
  names(): string[]
}
