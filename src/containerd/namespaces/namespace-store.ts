// Namespaces: each client's own world within one daemon.
import { create } from '@bufbuild/protobuf'
import { Failure } from '../../base/failure.ts'
import { NamespaceCreateSchema, NamespaceDeleteSchema, NamespaceUpdateSchema } from '../../gen/events/namespace_pb.ts'
import { type Namespace, NamespaceSchema } from '../../gen/services/namespaces_pb.ts'
import type { EventExchange } from '../events/event-exchange.ts'
import { checkIdentifier } from '../identifier.ts'
import { messageCodec } from '../metadata/codec.ts'
import { applyMask, checkLabels, keptLabels, updateLabel } from '../metadata/labels.ts'
import type { Bucket, MetadataStore } from '../metadata/metadata-store.ts'
import { failpoint } from '../failpoints.ts'

/** Buckets whose records, under `<namespace>/`, keep a namespace from being deleted. */
const POPULATED_BY = ['containers', 'images', 'content', 'snapshots', 'snapshots-native', 'sandboxes'] as const
/** What does not keep one goes with it. */
const GONE_WITH_IT = ['leases', 'lease-resources'] as const

export class NamespaceStore {
  readonly #bucket: Bucket<Namespace>
  readonly #metadata: MetadataStore
  readonly #events: EventExchange
  /** Known to exist, for the check that every write makes. */
  readonly #known = new Set<string>()

  constructor(metadata: MetadataStore, events: EventExchange) {
    this.#bucket = metadata.bucket('namespaces', messageCodec(NamespaceSchema))
    this.#metadata = metadata
    this.#events = events
  }

  find(name: string): Namespace | undefined {
    return this.#bucket.get(name)
  }

  require(name: string): Namespace {
    const found = this.find(name)
    if (found === undefined) throw new Failure('not-found', `namespace ${JSON.stringify(name)}: not found`)
    return found
  }

  list(): Namespace[] {
    return this.#bucket.list().map(([, namespace]) => namespace)
  }

  create(namespace: Namespace): Namespace {
    checkIdentifier(namespace.name)
    checkLabels('namespace.Labels', namespace.labels)
    namespace.labels = keptLabels(namespace.labels)
    if (this.#bucket.get(namespace.name) !== undefined)
      throw new Failure('already-exists', `namespace ${JSON.stringify(namespace.name)}: already exists`)
    const { name, labels } = namespace
    this.#bucket.put(name, namespace)
    this.#known.add(name)
    this.#events.publish(name, '/namespaces/create', NamespaceCreateSchema, { name, labels })
    failpoint('namespace.created')
    return namespace
  }

  /** Whoever first writes into a namespace makes it. */
  ensure(name: string): void {
    if (this.#known.has(name)) return
    if (this.#bucket.get(name) === undefined) this.#bucket.put(name, create(NamespaceSchema, { name }))
    this.#known.add(name)
  }

  /** One that is not there comes into being, as with containerd. */
  update(update: Namespace, paths: readonly string[]): Namespace {
    const { name } = update
    checkIdentifier(name)
    const namespace = this.#bucket.get(name) ?? create(NamespaceSchema, { name })
    const replaceLabels = (): void => {
      namespace.labels = update.labels
    }
    if (paths.length === 0) replaceLabels()
    applyMask(paths, { labels: replaceLabels }, (label) => {
      namespace.labels = updateLabel(namespace.labels, label, update.labels[label])
    })
    checkLabels('namespace.Labels', namespace.labels)
    namespace.labels = keptLabels(namespace.labels)
    this.#known.add(name)
    this.#bucket.put(name, namespace)
    failpoint('namespace.updated')
    this.#events.publish(name, '/namespaces/update', NamespaceUpdateSchema, { name, labels: namespace.labels })
    return namespace
  }

  delete(name: string): void {
    this.require(name)
    const populated = POPULATED_BY.filter((bucket) => this.#metadata.bucket(bucket).has(`${name}/`))
    if (populated.length > 0)
      throw new Failure(
        'failed-precondition',
        `namespace ${JSON.stringify(name)} must be empty, but it still has ${populated.join(', ')}: failed precondition`,
      )
    this.#known.delete(name)
    this.#metadata.transaction(() => {
      for (const bucket of GONE_WITH_IT) this.#metadata.bucket(bucket).removeAll(`${name}/`)
      this.#bucket.remove(name)
    })
    failpoint('namespace.deleted')
    this.#events.publish(name, '/namespaces/delete', NamespaceDeleteSchema, { name })
  }
}
