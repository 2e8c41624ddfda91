// From one end to another: which pairs there are, and what all of them share.
import type { Any } from '@bufbuild/protobuf/wkt'
import { Failure } from '../../base/failure.ts'
import { Slices } from '../../base/slices.ts'
import { ImageExportStreamSchema, ImageImportStreamSchema } from '../../gen/types/transfer/importexport_pb.ts'
import { ImageStoreSchema } from '../../gen/types/transfer/imagestore_pb.ts'
import { OCIRegistrySchema } from '../../gen/types/transfer/registry_pb.ts'
import { unpackMessage } from '../client/any.ts'
import { exportImages } from './export.ts'
import { descriptorOf } from './image-content.ts'
import { importImages } from './import.ts'
import { dropLease } from './drop-lease.ts'
import { KeptTransfers } from './kept-transfers.ts'
import type { NamedStream, NamedStreams } from './named-stream.ts'
import { reportTo } from './progress.ts'
import { pull } from './pull.ts'
import { push } from './push.ts'
import { RegistryEnd } from './registry-end.ts'
import { StoreEnd } from './store-end.ts'
import { ExportEnd, ImportEnd } from './stream-ends.ts'
import { Flights, Slots } from './together.ts'
import type { TransferCall, TransferDeps, TransferShared } from './transfer-call.ts'

export interface TransferRequest {
  source: Any | undefined
  destination: Any | undefined
  /** '' for none. */
  progressStream: string
  namespace: string
  /** The client's own, which it drops itself; undefined: the transfer's holds what it brings in. */
  leaseId: string | undefined
  signal: AbortSignal
}

type End = RegistryEnd | StoreEnd | ImportEnd | ExportEnd

/** Marks leases whose transfers can't be under way any more when a daemon starts. */
const LEASE_LABEL = 'berth.containerd.transfer'
const LEASE_LIFETIME_MS = 24 * 3_600_000
/** As containerd's: three downloads, three uploads. */
const SLOTS = 3

export class Transfers {
  readonly #deps: TransferDeps
  readonly #streams: NamedStreams
  readonly #shared: TransferShared
  #isLeaving = false

  constructor(deps: TransferDeps, streams: NamedStreams) {
    this.#deps = deps
    this.#streams = streams
    this.#shared = { downloads: new Flights(), unpacks: new Flights(), kept: new KeptTransfers(deps) }
  }

  /** Transfers that end now are ended by the daemon, not by their clients. */
  leave(): void {
    this.#isLeaving = true
    this.#shared.kept.close()
  }

  /** What a daemon that was killed has left: leases, and what was half written under them, but for what a pull can go on with. Call it before serving. */
  async dropOld(): Promise<void> {
    const { leases } = this.#deps
    for await (const [namespace, { id, labels }] of leases.scan(new Slices()))
      if (labels[LEASE_LABEL] !== undefined) await dropLease(this.#deps, namespace, id)
    await this.#shared.kept.sweep()
  }

  /** Resolves once it is done. Failures leave nothing: no upload, no lease, no snapshot; a pull that was cut leaves what came, for a day. */
  async transfer(request: TransferRequest): Promise<void> {
    const { namespace, leaseId, signal } = request
    const progress = this.#progressStream(request)
    const over = new AbortController()
    const ledgerId = this.#takeLease(namespace)
    let broughtId: string | undefined
    let failure: unknown
    try {
      const [source, destination] = [
        await this.#open(request.source, namespace, over.signal),
        await this.#open(request.destination, namespace, over.signal),
      ]
      if (source instanceof RegistryEnd && destination instanceof StoreEnd)
        broughtId = this.#shared.kept.begin(namespace, source.name)
      const call: TransferCall = {
        deps: this.#deps,
        shared: this.#shared,
        namespace,
        leaseId: leaseId ?? ledgerId,
        ledgerId,
        broughtId,
        report: reportTo(progress),
        signal,
        slots: new Slots(SLOTS),
      }
      await run(call, source, destination, request)
    } catch (error) {
      failure = this.#isLeaving ? new Failure('unavailable', 'the daemon is stopping') : error
      throw error
    } finally {
      over.abort()
      await progress?.flushed()
      progress?.close()
      if (broughtId !== undefined) await this.#shared.kept.end(namespace, broughtId, failure)
      await dropLease(this.#deps, namespace, ledgerId)
    }
  }

  #progressStream({ progressStream, namespace }: TransferRequest): NamedStream | undefined {
    return progressStream === '' ? undefined : this.#streams.require(namespace, progressStream)
  }

  async #open(any: Any | undefined, namespace: string, over: AbortSignal): Promise<End> {
    const registry = unpackMessage(OCIRegistrySchema, any)
    if (registry !== undefined)
      return RegistryEnd.open(registry, { streams: this.#streams, namespace, log: this.#deps.log, over })
    const store = unpackMessage(ImageStoreSchema, any)
    if (store !== undefined) return new StoreEnd(store)
    const imported = unpackMessage(ImageImportStreamSchema, any)
    if (imported !== undefined) return new ImportEnd(imported, this.#streams.require(namespace, imported.stream))
    const exported = unpackMessage(ImageExportStreamSchema, any)
    if (exported !== undefined) return new ExportEnd(exported, this.#streams.require(namespace, exported.stream))
    throw new Failure('not-found', `type with url ${any?.typeUrl ?? ''}: not found`)
  }

  #takeLease(namespace: string): string {
    const expires = new Date(Date.now() + LEASE_LIFETIME_MS).toISOString()
    const labels = { 'containerd.io/gc.expire': expires, [LEASE_LABEL]: 'true' }
    return this.#deps.leases.create(namespace, '', labels).id
  }
}

async function run(call: TransferCall, source: End, destination: End, request: TransferRequest): Promise<void> {
  if (source instanceof RegistryEnd && destination instanceof StoreEnd) return pull(call, source, destination)
  if (source instanceof StoreEnd) {
    if (destination instanceof RegistryEnd) return push(call, source, destination)
    if (destination instanceof ExportEnd) return exportImages(call, source, destination)
    if (destination instanceof StoreEnd) return tag(call, source, destination)
  }
  if (source instanceof ImportEnd) {
    if (destination instanceof StoreEnd) return importImages(call, source, destination)
    if (destination instanceof ExportEnd) return destination.send(source.bytes(), call.signal) // an echo
  }
  const [from, to] = [request.source?.typeUrl, request.destination?.typeUrl]
  throw new Failure('unimplemented', `method Transfer not implemented for ${from} to ${to}`)
}

async function tag(call: TransferCall, source: StoreEnd, destination: StoreEnd): Promise<void> {
  const target = descriptorOf(source.require(call).target!)
  await destination.save(call, target, destination.wholeNames(target))
}
