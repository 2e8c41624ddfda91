// Sandboxes as records. What runs of them is the controller's business.
import { create } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { Failure, messageOf } from '../../base/failure.ts'
import { type Sandbox, SandboxSchema } from '../../gen/types/sandbox_pb.ts'
import { timestampNow } from '../events/event-exchange.ts'
import { lookupIn, parseFilters } from '../filters/parse-filter.ts'
import { checkIdentifier } from '../identifier.ts'
import { messageCodec } from '../metadata/codec.ts'
import { applyMask, checkLabels, keptLabels, updateLabel } from '../metadata/labels.ts'
import type { Bucket, MetadataStore } from '../metadata/metadata-store.ts'
import type { NamespaceStore } from '../namespaces/namespace-store.ts'

export class SandboxStore {
  readonly #bucket: Bucket<Sandbox>
  readonly #namespaces: NamespaceStore

  constructor(metadata: MetadataStore, namespaces: NamespaceStore) {
    this.#bucket = metadata.bucket('sandboxes', messageCodec(SandboxSchema))
    this.#namespaces = namespaces
  }

  find(namespace: string, id: string): Sandbox | undefined {
    return this.#bucket.get(`${namespace}/${id}`)
  }

  require(namespace: string, id: string): Sandbox {
    const found = this.find(namespace, id)
    if (found !== undefined) return found
    const words = this.#bucket.has(`${namespace}/`) ? `bucket ${JSON.stringify(id)} not found` : 'no sandbox buckets'
    throw new Failure('not-found', `${words}: not found`)
  }

  list(namespace: string, filters: readonly string[] = []): Sandbox[] {
    const matches = parseFilters(filters)
    return this.#bucket
      .list(`${namespace}/`)
      .map(([, sandbox]) => sandbox)
      .filter(({ sandboxId, labels }) => matches(lookupIn({ id: sandboxId }, labels)))
  }

  /** Of every namespace, for the collector. */
  listAll(): [namespace: string, sandbox: Sandbox][] {
    return this.#bucket.list().map(([key, sandbox]) => [key.slice(0, key.indexOf('/')), sandbox])
  }

  create(namespace: string, sandbox: Sandbox): Sandbox {
    checkSandbox(sandbox, 'failed to validate sandbox: ')
    const { sandboxId: id } = sandbox
    if (this.find(namespace, id) !== undefined)
      throw new Failure(
        'already-exists',
        `write error: sandbox bucket ${JSON.stringify(id)} already exists: already exists`,
      )
    const now = create(TimestampSchema, timestampNow())
    sandbox.createdAt = now
    sandbox.updatedAt = now
    return this.#put(namespace, sandbox)
  }

  /** Without paths, all that may change is replaced. */
  update(namespace: string, update: Sandbox, paths: readonly string[]): Sandbox {
    const sandbox = this.require(namespace, update.sandboxId)
    if (update.runtime !== undefined && update.runtime.name !== '' && update.runtime.name !== sandbox.runtime?.name)
      throw new Failure('invalid-argument', 'sandbox.Runtime.Name field is immutable: invalid argument')
    applyUpdate(sandbox, update, paths.length === 0 ? ['labels', 'extensions', 'spec', 'runtime'] : paths)
    checkSandbox(sandbox, '')
    sandbox.updatedAt = create(TimestampSchema, timestampNow())
    return this.#put(namespace, sandbox)
  }

  delete(namespace: string, id: string): void {
    this.require(namespace, id)
    this.#bucket.remove(`${namespace}/${id}`)
  }

  #put(namespace: string, sandbox: Sandbox): Sandbox {
    sandbox.labels = keptLabels(sandbox.labels)
    this.#namespaces.ensure(namespace)
    this.#bucket.put(`${namespace}/${sandbox.sandboxId}`, sandbox)
    return sandbox
  }
}

function applyUpdate(sandbox: Sandbox, update: Sandbox, paths: readonly string[]): void {
  const fields = {
    labels: () => {
      sandbox.labels = update.labels
    },
    extensions: () => {
      sandbox.extensions = update.extensions
    },
    runtime: () => {
      sandbox.runtime = update.runtime
    },
    spec: () => {
      sandbox.spec = update.spec
    },
  }
  for (const path of paths) {
    if (!path.startsWith('extensions.')) continue
    const name = path.slice('extensions.'.length)
    const value = update.extensions[name]
    if (value === undefined) delete sandbox.extensions[name]
    else sandbox.extensions[name] = value
  }
  applyMask(
    paths.filter((path) => !path.startsWith('extensions.')),
    fields,
    (label) => {
      sandbox.labels = updateLabel(sandbox.labels, label, update.labels[label])
    },
  )
}

function checkSandbox(sandbox: Sandbox, frame: string): void {
  try {
    checkIdentifier(sandbox.sandboxId)
  } catch (error) {
    throw new Failure('invalid-argument', `${frame}invalid sandbox ID: ${messageOf(error)}`, { cause: error })
  }
  checkLabels(`${frame}sandbox.Labels`, sandbox.labels)
}
