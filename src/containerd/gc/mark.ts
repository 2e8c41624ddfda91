// What is still needed: everything that can be reached from a root. Pure, so that a collection can be tested without a disk.

/** A thing that may be collected; `kind` is `content` or `snapshots/<snapshotter>`. */
export interface Node {
  namespace: string
  kind: string
  id: string
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

/** The things that labels refer to: `containerd.io/gc.ref.content[.…]` and `containerd.io/gc.ref.snapshot.<snapshotter>[/…]`. */
export function labelReferences(namespace: string, labels: Readonly<Record<string, string>>): Node[] {
  const found: Node[] = []
  for (const [name, value] of Object.entries(labels)) {
    if (/^containerd\.io\/gc\.ref\.content(?:[./].*)?$/.test(name)) {
      found.push({ namespace, kind: 'content', id: value })
      continue
    }
    const snapshotter = /^containerd\.io\/gc\.ref\.snapshot\.([^/]+)(?:\/.*)?$/.exec(name)?.[1]
    if (snapshotter !== undefined) found.push({ namespace, kind: `snapshots/${snapshotter}`, id: value })
  }
  return found
}

/** The keys of all that `roots` reach through `references`, themselves included. */
export function mark(roots: Iterable<Node>, references: (node: Node) => Iterable<Node>): Set<string> {
  const reached = new Set<string>()
  const open = [...roots]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const key = nodeKey(node)
    if (reached.has(key)) continue
    reached.add(key)
    open.push(...references(node))
  }
  return reached
}
