// What is still needed: everything that can be reached from a root. Pure, so that a collection can be tested without a disk.

/** A thing that may be collected or keep others; `kind` is `content`, `images`, `ingests`, `containers`, `sandboxes` or `snapshots/<snapshotter>`. */
export interface Node {
  namespace: string
  kind: string
  id: string
  /** Reached through a flat lease: it is kept, what its labels and contents name is not. */
  isFlat?: boolean
}

/** What a thing says about itself and others. */
export interface Labelled {
  labels: Readonly<Record<string, string>>
}

export function nodeKey(node: Node): string {
  return `${node.namespace}/${node.kind}/${node.id}`
}

/** `containerd.io/gc.root` keeps a thing by itself. */
export function isRoot(thing: Labelled): boolean {
  return thing.labels['containerd.io/gc.root'] !== undefined
}

/** A lease with `containerd.io/gc.flat` keeps what it names and nothing below. */
export function isFlat(lease: Labelled): boolean {
  return lease.labels['containerd.io/gc.flat'] !== undefined
}

/** `containerd.io/gc.expire`, RFC 3339, is over; a text that is no time never is. */
export function isExpired(thing: Labelled, nowMs: number): boolean {
  return Date.parse(thing.labels['containerd.io/gc.expire'] ?? '') < nowMs // never true for NaN
}

/** The things that labels refer to: `containerd.io/gc.ref.content[.…]`, `….image[.…]` and `….snapshot.<snapshotter>[/…]`. */
export function labelReferences(namespace: string, labels: Labelled['labels']): Node[] {
  return referencesIn('containerd.io/gc.ref.', namespace, labels)
}

/** The things that keep the one with these labels: `containerd.io/gc.bref.container[.…]`, `….content`, `….image`, `….snapshot.<snapshotter>`. */
export function backReferences(namespace: string, labels: Labelled['labels']): Node[] {
  return referencesIn('containerd.io/gc.bref.', namespace, labels)
}

const PLURAL = new Map([
  ['content', 'content'],
  ['image', 'images'],
  ['container', 'containers'],
])

function referencesIn(prefix: string, namespace: string, labels: Labelled['labels']): Node[] {
  const found: Node[] = []
  for (const [name, id] of Object.entries(labels)) {
    if (!name.startsWith(prefix)) continue
    const rest = name.slice(prefix.length)
    const snapshotter = /^snapshot\.([^/]+)(?:\/.*)?$/s.exec(rest)?.[1]
    const kind = snapshotter === undefined ? kindOf(prefix, rest) : `snapshots/${snapshotter}`
    if (kind !== undefined) found.push({ namespace, kind, id })
  }
  return found
}

/** A name may follow after a dot or a slash. Nothing keeps a container. */
function kindOf(prefix: string, rest: string): string | undefined {
  const noun = /^([a-z]+)(?:[./].*)?$/s.exec(rest)?.[1] ?? ''
  return noun === 'container' && prefix.endsWith('.ref.') ? undefined : PLURAL.get(noun)
}

/** The keys of all that `roots` reach through `references`, themselves included. */
export function mark(roots: Iterable<Node>, references: (node: Node) => Iterable<Node>): Set<string> {
  const reached = new Set<string>()
  const flat = new Set<string>()
  const open = [...roots]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const key = nodeKey(node)
    const visited = node.isFlat === true ? flat : reached
    if (visited.has(key)) continue
    visited.add(key)
    open.push(...references(node))
  }
  for (const key of flat) reached.add(key)
  return reached
}
