// Finds out what is needed while clients go on changing it. What is changed from the beginning of a trace on counts as needed, with all that it refers to: so
// nothing that a client can reach is taken for lost, however the look at the records and his changes fall together. What becomes nobody's meanwhile stays
// until the next time.
import type { Slices } from '../../base/slices.ts'
import type { Digest } from '../../oci/digest.ts'
import type { CollectDeps } from './collect.ts'
import { manifestReferences } from './manifest-references.ts'
import { backReferences, expiryMs, flat, isRoot, labelReferences, Marker, type Node, unflat } from './mark.ts'

export interface Candidates {
  content: Node[]
  snapshots: (Node & { parent: string })[]
  /** Expired. */
  images: Node[]
}

const FLAT_LABEL = 'containerd.io/gc.flat'

/** One at a time. Call `close`. */
export class Trace {
  readonly #deps: CollectDeps
  readonly #slices: Slices
  readonly #marker: Marker

  constructor(deps: CollectDeps, slices: Slices) {
    this.#deps = deps
    this.#slices = slices
    this.#marker = new Marker((node) => this.#referencesOf(node))
    deps.metadata.setObserver((key) => this.#changed(key))
  }

  close(): void {
    this.#deps.metadata.setObserver(undefined)
  }

  /** Everything that may be collected and is not needed, as things are now; ask `isLost` before each removal. */
  async findLost(): Promise<Candidates> {
    const candidates = await this.#scan()
    await this.settle()
    const lost = <Kind extends Node>(nodes: Kind[]) => nodes.filter((node) => !this.#marker.has(node))
    return { content: lost(candidates.content), snapshots: lost(candidates.snapshots), images: lost(candidates.images) }
  }

  /** Holds in this turn, and no longer. Undefined: `settle` first, something has changed. */
  isLost(node: Node): boolean | undefined {
    return this.#marker.isDone ? !this.#marker.has(node) : undefined
  }

  async settle(): Promise<void> {
    while (!this.#marker.isDone) await this.#marker.run(() => this.#slices.next())
  }

  async #scan(): Promise<Candidates> {
    const { images, containers, leases, sandboxes } = this.#deps
    const nowMs = Date.now()
    const candidates: Candidates = { content: [], snapshots: [], images: [] }
    for await (const [namespace, { id: lease, labels }] of leases.scan(this.#slices)) {
      for (const node of labelReferences(namespace, labels)) this.#marker.add(node)
      for (const { type: kind, id } of leases.listResources(namespace, lease))
        this.#marker.add(labels[FLAT_LABEL] === undefined ? { namespace, kind, id } : flat({ namespace, kind, id }))
    }
    for await (const [namespace, { name: id, labels }] of images.scan(this.#slices)) {
      const node = { namespace, kind: 'images', id }
      if (!(expiryMs(labels) <= nowMs)) this.#marker.add(node)
      else candidates.images.push(this.#withBackReferences(node, labels))
    }
    for await (const [namespace, { id, labels }] of containers.scan(this.#slices))
      this.#marker.add(this.#withBackReferences({ namespace, kind: 'containers', id }, labels))
    for (const [namespace, { sandboxId: id }] of sandboxes.listAll())
      this.#marker.add({ namespace, kind: 'sandboxes', id })
    await this.#scanContent(candidates, nowMs)
    await this.#scanSnapshots(candidates, nowMs)
    return candidates
  }

  async #scanContent({ content }: Candidates, nowMs: number): Promise<void> {
    for await (const [namespace, { digest: id, labels }] of this.#deps.content.scan(this.#slices)) {
      const node = this.#withBackReferences({ namespace, kind: 'content', id }, labels)
      content.push(node)
      if (isRoot(labels, nowMs)) this.#marker.add(node)
    }
  }

  async #scanSnapshots({ snapshots }: Candidates, nowMs: number): Promise<void> {
    for (const [name, snapshotter] of this.#deps.snapshotters)
      for (const { name: namespace } of this.#deps.namespaces.list())
        for (const { name: id, labels, parent } of await snapshotter.list(namespace)) {
          await this.#slices.next()
          const node = this.#withBackReferences({ namespace, kind: `snapshots/${name}`, id, parent }, labels)
          snapshots.push(node)
          if (isRoot(labels, nowMs)) this.#marker.add(node)
        }
  }

  #withBackReferences<Kind extends Node>(node: Kind, labels: Readonly<Record<string, string>>): Kind {
    for (const parent of backReferences(node.namespace, labels)) this.#marker.addBackReference(parent, node)
    return node
  }

  /** `<bucket>:<namespace>/<name>` */
  #changed(key: string): void {
    const [, bucket = '', namespace = '', id = ''] = /^([^:]*):([^/]*)\/(.*)$/s.exec(key) ?? []
    if (bucket === 'images' || bucket === 'containers' || bucket === 'sandboxes' || bucket === 'content')
      this.#marker.add({ namespace, kind: bucket, id })
    // Whose bucket it is does not matter: that one more is kept for a while does no harm.
    if (bucket.startsWith('snapshots'))
      for (const name of this.#deps.snapshotters.keys()) this.#marker.add({ namespace, kind: `snapshots/${name}`, id })
    const resource = bucket === 'lease-resources' ? this.#deps.leases.findResource(`${namespace}/${id}`) : undefined
    if (resource !== undefined) this.#marker.add({ namespace, kind: resource.type, id: resource.id })
  }

  #referencesOf(marked: Node): Node[] | Promise<Node[]> {
    const { node, isFlat } = unflat(marked)
    const made = this.#madeOf(node)
    if (!isFlat) return made.then(({ parts, labels }) => [...parts, ...labelReferences(node.namespace, labels)])
    return made.then(({ parts }) => (node.kind === 'content' ? [] : parts.map(flat)))
  }

  async #madeOf(node: Node): Promise<{ parts: Node[]; labels: Readonly<Record<string, string>> }> {
    const { namespace, kind, id } = node
    const content = (digest: string): Node => ({ namespace, kind: 'content', id: digest })
    if (kind === 'content') {
      const labels = this.#deps.content.find(namespace, id as Digest)?.labels ?? {}
      const isLabelled = labelReferences(namespace, labels).some((reference) => reference.kind === 'content')
      return { parts: isLabelled ? [] : manifestReferences(this.#deps.content, namespace, id as Digest), labels }
    }
    if (kind === 'images') {
      const image = this.#deps.images.find(namespace, id)
      return { parts: image?.target ? [content(image.target.digest)] : [], labels: image?.labels ?? {} }
    }
    if (kind === 'containers') {
      const { snapshotter = '', snapshotKey = '', labels = {} } = this.#deps.containers.find(namespace, id) ?? {}
      return {
        parts: snapshotKey === '' ? [] : [{ namespace, kind: `snapshots/${snapshotter}`, id: snapshotKey }],
        labels,
      }
    }
    if (kind === 'sandboxes') return { parts: [], labels: this.#deps.sandboxes.find(namespace, id)?.labels ?? {} }
    if (kind === 'ingests') {
      const expected = this.#deps.content.findStatus(namespace, id)?.expected ?? ''
      return { parts: expected === '' ? [] : [content(expected)], labels: {} }
    }
    const snapshotter = this.#deps.snapshotters.get(kind.slice('snapshots/'.length))
    const info = await snapshotter?.stat(namespace, id).catch(() => undefined) // a reference may lead nowhere
    return { parts: info && info.parent !== '' ? [{ ...node, id: info.parent }] : [], labels: info?.labels ?? {} }
  }
}
