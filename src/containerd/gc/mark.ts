// What is still needed: everything that can be reached from a root. It knows no store, so that a collection can be tested without a disk.

/**
 * A thing that may be collected, or that keeps others: `content`, `snapshots/<snapshotter>`, `images`, `containers`, `sandboxes`, `ingests`. With `flat:` in front it
 * keeps itself and what it is made of (an image its target, a snapshot its parents), but not what its labels refer to, nor what refers back to it.
 */
export interface Node {
  namespace: string
  kind: string
  id: string
}

export type Labels = Readonly<Record<string, string>>

const FLAT = 'flat:'

export function nodeKey(node: Node): string {
  return `${node.namespace}/${node.kind}/${node.id}`
}

export function flat(node: Node): Node {
  return { ...node, kind: `${FLAT}${node.kind}` }
}

/** The thing itself, and whether it is meant without its references. */
export function unflat(node: Node): { node: Node; isFlat: boolean } {
  const isFlat = node.kind.startsWith(FLAT)
  return { node: isFlat ? { ...node, kind: node.kind.slice(FLAT.length) } : node, isFlat }
}

/** When `containerd.io/gc.expire` says that a thing's time is over; NaN where it does not say. */
export function expiryMs(labels: Labels): number {
  return Date.parse(labels['containerd.io/gc.expire'] ?? '')
}

/** `containerd.io/gc.root` keeps a thing by itself, and `containerd.io/gc.expire` does so until that time. */
export function isRoot(labels: Labels, nowMs: number): boolean {
  return labels['containerd.io/gc.root'] !== undefined || expiryMs(labels) > nowMs
}

const REFERENCE = /^containerd\.io\/gc\.ref\.(?:(content|image)(?:[./].*)?|snapshot\.([^/]+)(?:\/.*)?)$/s
const BACK_REFERENCE =
  /^containerd\.io\/gc\.bref\.(?:(content|image|container)(?:[./].*)?|snapshot\.([^/]+)(?:\/.*)?)$/s
const KINDS: Readonly<Record<string, string>> = { content: 'content', image: 'images', container: 'containers' }

/** The things that labels refer to: `containerd.io/gc.ref.content[.…]`, `….image[.…]` and `….snapshot.<snapshotter>[/…]`. */
export function labelReferences(namespace: string, labels: Labels): Node[] {
  return namedBy(REFERENCE, namespace, labels)
}

/** The things that keep whoever has these labels: `containerd.io/gc.bref.…`, of the same kinds and of containers. */
export function backReferences(namespace: string, labels: Labels): Node[] {
  return namedBy(BACK_REFERENCE, namespace, labels)
}

function namedBy(pattern: RegExp, namespace: string, labels: Labels): Node[] {
  return Object.entries(labels).flatMap(([name, id]) => {
    const [matched, kind = '', snapshotter] = pattern.exec(name) ?? []
    if (matched === undefined) return []
    return [{ namespace, kind: snapshotter === undefined ? KINDS[kind]! : `snapshots/${snapshotter}`, id }]
  })
}

/** Roots may be added at any time: what they reach is marked at the next `run`. */
export class Marker {
  readonly #references: (node: Node) => Promise<Node[]> | Node[]
  readonly #reached = new Set<string>()
  readonly #back = new Map<string, Node[]>()
  #open: Node[] = []

  constructor(references: (node: Node) => Promise<Node[]> | Node[]) {
    this.#references = references
  }

  add(node: Node): void {
    this.#open.push(node)
  }

  /** `parent` keeps `child`, if anything keeps `parent`. */
  addBackReference(parent: Node, child: Node): void {
    const key = nodeKey(parent)
    const children = this.#back.get(key)
    if (children === undefined) this.#back.set(key, [child])
    else children.push(child)
    if (this.#reached.has(key)) this.#open.push(child)
  }

  /** Nothing is left to be looked at: what `has` denies nothing reaches at this moment. */
  get isDone(): boolean {
    return this.#open.length === 0
  }

  /** Until nothing is left. @param pause called between any two steps. */
  async run(pause: () => Promise<void> | undefined): Promise<void> {
    for (let node = this.#open.pop(); node !== undefined; node = this.#open.pop()) {
      const key = nodeKey(node)
      if (this.#reached.has(key)) continue
      this.#reached.add(key)
      this.#open.push(...(await this.#references(node)), ...(this.#back.get(key) ?? []))
      await pause()
    }
  }

  has(node: Node): boolean {
    return this.#reached.has(nodeKey(node)) || this.#reached.has(nodeKey(flat(node)))
  }
}
