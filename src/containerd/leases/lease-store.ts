// Leases hold what a client is still putting together.
import { randomBytes } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import { Failure } from '../../base/failure.ts'
import type { Slices } from '../../base/slices.ts'
import { type Lease, LeaseSchema, type Resource, ResourceSchema } from '../../gen/services/leases_pb.ts'
import { timestampNow } from '../events/event-exchange.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'
import { checkLeaseId } from '../identifier.ts'
import { messageCodec } from '../metadata/codec.ts'
import { keptLabels } from '../metadata/labels.ts'
import { type Bucket, type MetadataStore, scanBucket } from '../metadata/metadata-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import { failpoint } from '../failpoints.ts'

/** RFC 3339; from then on the lease holds nothing. */
const EXPIRE_LABEL = 'containerd.io/gc.expire'
const RESOURCE_TYPE = /^(?:content|ingests|images|snapshots\/[A-Za-z0-9._-]{1,64})$/

export class LeaseStore {
  readonly #leases: Bucket<Lease>
  readonly #resources: Bucket<Resource>
  readonly #metadata: MetadataStore
  readonly #namespaces: NamespaceStore

  constructor(metadata: MetadataStore, namespaces: NamespaceStore) {
    this.#leases = metadata.bucket('leases', messageCodec(LeaseSchema))
    this.#resources = metadata.bucket('lease-resources', messageCodec(ResourceSchema))
    this.#metadata = metadata
    this.#namespaces = namespaces
  }

  require(namespace: string, id: string): Lease {
    const found = this.#leases.get(leaseKey(namespace, id))
    if (found === undefined) throw new Failure('not-found', `lease ${JSON.stringify(id)}: not found`)
    return found
  }

  list(namespace: string, filters: readonly string[] = []): Lease[] {
    const matches = parseFilters(filters)
    return this.#leases
      .list(`${namespace}/`)
      .map(([, lease]) => lease)
      .filter((lease) => matches(lookupIn({ id: lease.id }, lease.labels)))
  }

  /** Of every namespace, for the collector. */
  scan(slices: Slices): AsyncIterable<[namespace: string, lease: Lease]> {
    return scanBucket(this.#leases, slices)
  }

  /** By a key of its bucket. */
  findResource(key: string): Resource | undefined {
    return this.#resources.get(key)
  }

  /** An empty id asks for one to be made up. */
  create(namespace: string, id: string, labels: Record<string, string>): Lease {
    const chosen = id === '' ? `${Date.now()}-${randomBytes(4).toString('hex')}` : checkLeaseId(id)
    if (this.#leases.get(leaseKey(namespace, chosen)) !== undefined)
      throw new Failure('already-exists', `lease ${JSON.stringify(chosen)}: already exists`)
    const lease = create(LeaseSchema, { id: chosen, labels: keptLabels(labels), createdAt: timestampNow() })
    this.#namespaces.ensure(namespace)
    this.#leases.put(leaseKey(namespace, chosen), lease)
    failpoint('lease.created')
    return lease
  }

  delete(namespace: string, id: string): void {
    this.require(namespace, id)
    this.#metadata.transaction(() => {
      this.#resources.removeAll(`${leaseKey(namespace, id)}/`)
      this.#leases.remove(leaseKey(namespace, id))
    })
    failpoint('lease.deleted')
  }

  listResources(namespace: string, id: string): Resource[] {
    this.require(namespace, id)
    return this.#resources.list(`${leaseKey(namespace, id)}/`).map(([, resource]) => resource)
  }

  addResource(namespace: string, leaseId: string, resource: { type: string; id: string }): void {
    this.require(namespace, leaseId)
    const { type, id } = checkResource(resource)
    this.#resources.put(`${leaseKey(namespace, leaseId)}/${type}/${id}`, create(ResourceSchema, { type, id }))
    failpoint('lease.resource-added')
  }

  deleteResource(namespace: string, leaseId: string, resource: { type: string; id: string }): void {
    this.require(namespace, leaseId)
    const { type, id } = checkResource(resource)
    this.#resources.remove(`${leaseKey(namespace, leaseId)}/${type}/${id}`)
  }

  /** Drops the leases whose time is over. */
  expire(nowMs: number): void {
    for (const [key, lease] of this.#leases.list()) {
      const namespace = key.slice(0, key.indexOf('/'))
      const expiresAt = Date.parse(lease.labels[EXPIRE_LABEL] ?? '')
      if (expiresAt <= nowMs) this.delete(namespace, lease.id) // never true for NaN
    }
  }
}

/** An id with a slash would reach into another lease's keys. */
function leaseKey(namespace: string, id: string): string {
  return `${namespace}/${id.replace(/[%/]/g, encodeURIComponent)}`
}

function checkResource(resource: { type: string; id: string }): { type: string; id: string } {
  if (!RESOURCE_TYPE.test(resource.type))
    throw new Failure('unimplemented', `lease resource type ${JSON.stringify(resource.type)}: not implemented`)
  if (resource.id === '') throw new Failure('invalid-argument', 'lease resource without an id: invalid argument')
  return resource
}
