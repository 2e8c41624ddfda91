// Drivers besides the local one.
import { Failure } from '../../base/failure.ts'
import type { VolumeDriver } from './volume.ts'

export interface OtherDrivers {
  /** Throws not-found in Docker's words. */
  require(name: string): Promise<VolumeDriver>
  all(): Promise<VolumeDriver[]>
}

/** Of an engine without plugins. */
export const NO_OTHER_DRIVERS: OtherDrivers = {
  async require(name) {
    throw new Failure('not-found', `error looking up volume plugin ${name}: plugin ${JSON.stringify(name)} not found`)
  },
  all: async () => [],
}
