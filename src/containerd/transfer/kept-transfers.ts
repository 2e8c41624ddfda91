// What a pull brings in is listed in a lease of its own, which stays when the line was cut or the daemon died, so that the next pull of the same name goes on
// where it broke off (docs/decisions/resumed-pulls.md).
import type { Log } from '../../base/log.ts'
import { Slices } from '../../base/slices.ts'
import type { Lease } from '../../gen/services/leases_pb.ts'
import { parseDigest } from '../../oci/digest.ts'
import { chooseDropped, isCut, KEPT_MS, type KeptPull, nextExpiryMs } from '../../registry/client/kept-pulls.ts'
import type { ContentStore } from '../content/content-store.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import type { LeaseStore } from '../leases/lease-store.ts'
import { dropLease } from './drop-lease.ts'

const NAME_LABEL = 'berth.containerd.pull'
const NAME_LENGTH_MAX = 1024
const EXPIRE_LABEL = 'containerd.io/gc.expire'

export interface KeptTransfersDeps {
  content: ContentStore
  leases: LeaseStore
  collector: CollectScheduler
  log: Log
}

interface Found extends KeptPull {
  namespace: string
  leaseId: string
}

export class KeptTransfers {
  readonly #deps: KeptTransfersDeps
  readonly #underWay = new Set<string>()
  #nextSweep: NodeJS.Timeout | undefined

  constructor(deps: KeptTransfersDeps) {
    this.#deps = deps
  }

  /** A lease for what a pull will bring in; it has what earlier ones of the name have left. */
  begin(namespace: string, name: string): string {
    const { leases } = this.#deps
    const label = name.slice(0, NAME_LENGTH_MAX)
    const expires = new Date(Date.now() + KEPT_MS).toISOString()
    const { id } = leases.create(namespace, '', { [EXPIRE_LABEL]: expires, [NAME_LABEL]: label })
    this.#underWay.add(keyOf(namespace, id))
    for (const earlier of leases.list(namespace)) {
      if (earlier.labels[NAME_LABEL] !== label || this.#underWay.has(keyOf(namespace, earlier.id))) continue
      // First held twice, then once: a crash in between loses nothing.
      for (const resource of leases.listResources(namespace, earlier.id)) leases.addResource(namespace, id, resource)
      leases.delete(namespace, earlier.id)
    }
    return id
  }

  /** The pull is over. Undefined: it has succeeded, and what it brought in is held by the image. */
  async end(namespace: string, id: string, failure: unknown): Promise<void> {
    if (!isCut(failure)) await dropLease(this.#deps, namespace, id)
    this.#underWay.delete(keyOf(namespace, id))
    if (isCut(failure)) await this.sweep()
  }

  /** What nobody comes back for: too old, too much, too little. Call it at start; from then on it is done when it is due. */
  async sweep(nowMs = Date.now()): Promise<void> {
    clearTimeout(this.#nextSweep)
    const kept = await this.#list()
    const dropped = chooseDropped(kept, nowMs)
    for (const { id, namespace, leaseId } of kept)
      if (dropped.includes(id)) await dropLease(this.#deps, namespace, leaseId)
    const dueMs = nextExpiryMs(kept, dropped)
    if (dueMs === undefined) return
    const waitMs = Math.min(Math.max(0, dueMs - nowMs) + 1, KEPT_MS)
    this.#nextSweep = setTimeout(() => void this.sweep(), waitMs).unref()
  }

  /** All of them, because their room is wanted; resolves once it is free. */
  async dropAll(): Promise<void> {
    for (const { namespace, leaseId } of await this.#list()) await dropLease(this.#deps, namespace, leaseId)
    await this.#deps.collector.collectNow()
  }

  close(): void {
    clearTimeout(this.#nextSweep)
  }

  async #list(): Promise<Found[]> {
    const found: Found[] = []
    for await (const [namespace, lease] of this.#deps.leases.scan(new Slices())) {
      const id = keyOf(namespace, lease.id)
      if (lease.labels[NAME_LABEL] === undefined || this.#underWay.has(id)) continue
      found.push({
        id,
        namespace,
        leaseId: lease.id,
        expiresAtMs: expiryOf(lease),
        bytes: this.#bytes(namespace, lease),
      })
    }
    return found
  }

  #bytes(namespace: string, { id: leaseId }: Lease): number {
    const { content, leases } = this.#deps
    const sizes = leases.listResources(namespace, leaseId).map(({ type, id }) => {
      if (type === 'content') return content.find(namespace, parseDigest(id))?.size
      return type === 'ingests' ? content.findStatus(namespace, id)?.offset : undefined
    })
    return sizes.reduce<number>((sum, size) => sum + Number(size ?? 0), 0)
  }
}

function keyOf(namespace: string, leaseId: string): string {
  return `${namespace}/${leaseId}`
}

function expiryOf({ labels }: Lease): number {
  return Date.parse(labels[EXPIRE_LABEL] ?? '')
}
