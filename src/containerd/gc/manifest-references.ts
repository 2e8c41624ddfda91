// What a manifest or an index refers to, for content whose client did not say so in labels.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import type { ContentStore } from '../content/content-store.ts'
import type { Node } from './mark.ts'

/** Manifests are no larger (the registries' limit). */
const MANIFEST_BYTES_MAX = 4 << 20

/** Nothing for anything that is not JSON of that shape. Digests that are malformed or not in the store lead nowhere. */
export function manifestReferences(content: ContentStore, namespace: string, digest: Digest): Node[] {
  const info = content.find(namespace, digest)
  if (info === undefined || info.size > MANIFEST_BYTES_MAX) return []
  const found: Node[] = []
  for (const descriptor of descriptorsOf(content.blobPath(digest))) {
    try {
      found.push({ namespace, kind: 'content', id: parseDigest(descriptor) })
    } catch {
      // Not a digest: it names nothing that we could have.
    }
  }
  return found
}

function descriptorsOf(path: string): string[] {
  let manifest: unknown
  try {
    if (!startsAsObject(path)) return [] // spares reading a small layer
    manifest = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return []
  }
  const { manifests, config, layers, subject } = manifest as Record<string, unknown>
  const descriptors = [
    config,
    subject,
    ...(Array.isArray(manifests) ? manifests : []),
    ...(Array.isArray(layers) ? layers : []),
  ]
  return descriptors.flatMap((descriptor) => {
    const digest = (descriptor as { digest?: unknown } | null | undefined)?.digest
    return typeof digest === 'string' ? [digest] : []
  })
}

function startsAsObject(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const first = Buffer.alloc(1)
    return readSync(file, first, 0, 1, 0) === 1 && first[0] === 0x7b
  } finally {
    closeSync(file)
  }
}
