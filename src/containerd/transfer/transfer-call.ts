// What the operations of a transfer work with.
import type { Log } from '../../base/log.ts'
import type { ContentStore } from '../content/content-store.ts'
import type { LayerWorkers } from '../diff/layer-workers.ts'
import type { EventExchange } from '../events/event-exchange.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import type { ImageStore } from '../images/image-store.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import type { Snapshotter } from '../snapshots/snapshotter.ts'
import type { KeptTransfers } from './kept-transfers.ts'
import type { Report } from './progress.ts'
import type { Flights, Slots } from './together.ts'

export interface TransferDeps {
  content: ContentStore
  images: ImageStore
  leases: LeaseStore
  events: EventExchange
  snapshotters: ReadonlyMap<string, Snapshotter>
  /** For unpacks that name none. */
  defaultSnapshotter: string
  workers: LayerWorkers
  collector: CollectScheduler
  log: Log
}

/** Shared by all transfers of the daemon. */
export interface TransferShared {
  /** Blobs by digest: two pulls of one download it once. */
  downloads: Flights
  /** Layers by namespace, snapshotter and chain id: two pulls of one unpack it once. */
  unpacks: Flights
  /** What pulls that were cut have left. */
  kept: KeptTransfers
}

/** One transfer. */
export interface TransferCall {
  deps: TransferDeps
  shared: TransferShared
  namespace: string
  /** The client's, or the ledger: holds everything that the transfer brings in until an image does. */
  leaseId: string
  /** The transfer's own: lists its uploads, so that a daemon that starts after a crash knows what to throw away. */
  ledgerId: string
  /** Of a pull: lists what comes from the registry, in place of the ledger, and may outlive the transfer. */
  broughtId?: string | undefined
  report: Report
  signal: AbortSignal
  /** Blobs on the wire at a time, as containerd's default has it. */
  slots: Slots
}
