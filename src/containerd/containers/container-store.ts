// Containers as records.
import { create } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Slices } from '../../base/slices.ts'
import { ContainerCreateSchema, ContainerDeleteSchema, ContainerUpdateSchema } from '../../gen/events/container_pb.ts'
import { type Container, ContainerSchema } from '../../gen/services/containers_pb.ts'
import { type EventExchange, timestampNow } from '../events/event-exchange.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'
import { checkIdentifier } from '../identifier.ts'
import { messageCodec } from '../metadata/codec.ts'
import { applyMask, checkLabels, keptLabels, updateLabel } from '../metadata/labels.ts'
import { type Bucket, type MetadataStore, scanBucket } from '../metadata/metadata-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'
import { failpoint } from '../failpoints.ts'

export class ContainerStore {
  readonly #bucket: Bucket<Container>
  readonly #namespaces: NamespaceStore
  readonly #events: EventExchange

  constructor(metadata: MetadataStore, namespaces: NamespaceStore, events: EventExchange) {
    this.#bucket = metadata.bucket('containers', messageCodec(ContainerSchema))
    this.#namespaces = namespaces
    this.#events = events
  }

  find(namespace: string, id: string): Container | undefined {
    return this.#bucket.get(`${namespace}/${id}`)
  }

  require(namespace: string, id: string): Container {
    const found = this.find(namespace, checkIdentifier(id))
    if (found === undefined) throw new Failure('not-found', `${name(namespace, id)}: not found`)
    return found
  }

  list(namespace: string, filters: readonly string[] = []): Container[] {
    const matches = parseFilters(filters)
    return this.#bucket
      .list(`${namespace}/`)
      .map(([, container]) => container)
      .filter((container) => matches(lookupContainer(container)))
  }

  /** Of every namespace, for the collector. */
  scan(slices: Slices): AsyncIterable<[namespace: string, container: Container]> {
    return scanBucket(this.#bucket, slices)
  }

  create(namespace: string, container: Container): Container {
    checkContainer(container, 'create container failed validation: ')
    container.labels = keptLabels(container.labels)
    const key = `${namespace}/${container.id}`
    if (this.#bucket.get(key) !== undefined)
      throw new Failure('already-exists', `container ${JSON.stringify(container.id)}: already exists`)
    const now = create(TimestampSchema, timestampNow())
    container.createdAt = now
    container.updatedAt = now
    this.#namespaces.ensure(namespace)
    this.#bucket.put(key, container)
    failpoint('container.created')
    const { id, image, runtime } = container
    this.#events.publish(namespace, '/containers/create', ContainerCreateSchema, {
      id,
      image,
      runtime: { name: runtime?.name ?? '', ...(runtime?.options ? { options: runtime.options } : {}) },
    })
    return container
  }

  /** An empty mask replaces all that may change. */
  update(namespace: string, update: Container, paths: readonly string[]): Container {
    const container = this.require(namespace, update.id)
    applyUpdate(container, update, paths)
    checkContainer(container, 'update failed validation: ')
    container.labels = keptLabels(container.labels)
    container.updatedAt = create(TimestampSchema, timestampNow())
    this.#bucket.put(`${namespace}/${container.id}`, container)
    failpoint('container.updated')
    const { id, image, labels, snapshotKey } = container
    this.#events.publish(namespace, '/containers/update', ContainerUpdateSchema, { id, image, labels, snapshotKey })
    return container
  }

  delete(namespace: string, id: string): void {
    this.require(namespace, id)
    this.#bucket.remove(`${namespace}/${id}`)
    failpoint('container.deleted')
    this.#events.publish(namespace, '/containers/delete', ContainerDeleteSchema, { id })
  }
}

function applyUpdate(container: Container, update: Container, paths: readonly string[]): void {
  const fields: Record<string, () => void> = {
    labels: () => {
      container.labels = update.labels
    },
    spec: () => {
      if (update.spec) container.spec = update.spec
    },
    extensions: () => {
      container.extensions = update.extensions
    },
    image: () => {
      container.image = update.image
    },
    snapshotkey: () => {
      container.snapshotKey = update.snapshotKey
    },
    sandbox: () => {
      container.sandbox = update.sandbox
    },
  }
  fields['snapshot_key'] = fields['snapshotkey']!
  for (const path of paths) {
    if (!path.startsWith('extensions.')) continue
    const extension = path.slice('extensions.'.length)
    const value = update.extensions[extension]
    if (value === undefined) delete container.extensions[extension]
    else container.extensions[extension] = value
  }
  if (paths.length === 0) {
    checkImmutable(container, update)
    for (const apply of Object.values(fields)) apply()
  }
  applyMask(
    paths.filter((path) => !path.startsWith('extensions.')),
    fields,
    (label) => {
      container.labels = updateLabel(container.labels, label, update.labels[label])
    },
  )
}

function checkImmutable(container: Container, update: Container): void {
  if (update.snapshotter !== '' && update.snapshotter !== container.snapshotter)
    throw new Failure('invalid-argument', 'container.Snapshotter field is immutable: invalid argument')
  if (update.runtime && update.runtime.name !== '' && update.runtime.name !== container.runtime?.name)
    throw new Failure('invalid-argument', 'container.Runtime.Name field is immutable: invalid argument')
}

/** @param frame which of the calls it is that fails. */
function checkContainer(container: Container, frame: string): void {
  const refuse = (reason: string): never => {
    throw new Failure('invalid-argument', `${frame}${reason}: invalid argument`)
  }
  try {
    checkIdentifier(container.id)
  } catch (error) {
    throw new Failure('invalid-argument', `${frame}container.ID: ${messageOf(error)}`, { cause: error })
  }
  if (Object.hasOwn(container.extensions, '')) refuse('container.Extension keys must not be zero-length')
  checkLabels(`${frame}containers.Labels`, container.labels)
  if (container.runtime === undefined || container.runtime.name === '') refuse('container.Runtime.Name must be set')
  if (container.spec === undefined) refuse('container.Spec must be set')
  if (container.snapshotKey !== '' && container.snapshotter === '')
    refuse('container.Snapshotter must be set if container.SnapshotKey is set')
}

function lookupContainer(container: Container): ReturnType<typeof lookupIn> {
  const { id, image, runtime } = container
  return lookupIn({ id, image, 'runtime.name': runtime?.name }, container.labels)
}

function name(namespace: string, id: string): string {
  return `container ${JSON.stringify(id)} in namespace ${JSON.stringify(namespace)}`
}
