// What blobs say of themselves and each other, where they are indexes, manifests or configurations.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { parseDigest } from '../../oci/digest.ts'
import { chainIds } from '../../oci/parse-image-config.ts'
import type { BlobFile } from './check-content.ts'

export interface Document {
  sizeBytes: number
  /** Undefined for a configuration. */
  mediaType: string | undefined
  /** Digests that it names. */
  references: string[]
  /** Of a configuration: the snapshot that holds all its layers. */
  chainId: string | undefined
  /** As an index or the manifest itself has it. */
  name: string | undefined
}

const DOCUMENT_BYTES_MAX = 4 << 20
const INDEX = 'application/vnd.oci.image.index.v1+json'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
/** As containerd's own importer reads it, of a descriptor. */
const NAME = 'io.containerd.image.name'

/** By digest; other blobs have no entry. */
export function readDocuments(blobs: readonly BlobFile[]): Map<string, Document> {
  const documents = new Map<string, Document>()
  for (const { path, digest, sizeBytes } of blobs) {
    const document = digest === undefined || sizeBytes > DOCUMENT_BYTES_MAX ? undefined : readDocument(path)
    if (document !== undefined) documents.set(digest!, document)
  }
  return documents
}

function readDocument(path: string): Document | undefined {
  if (!startsAsObject(path)) return undefined
  try {
    const text = readFileSync(path, 'utf8')
    return understand(JSON.parse(text) as Record<string, unknown>, Buffer.byteLength(text))
  } catch {
    return undefined // a layer, or anything else
  }
}

function understand(json: Record<string, unknown>, sizeBytes: number): Document | undefined {
  const { manifests, layers, config, subject, rootfs } = json
  if (Array.isArray(manifests) || Array.isArray(layers)) {
    const descriptors = [config, subject, ...listOf(manifests), ...listOf(layers)]
    const mediaType =
      typeof json['mediaType'] === 'string' ? json['mediaType'] : Array.isArray(manifests) ? INDEX : MANIFEST
    const named = [json, ...listOf(manifests)].flatMap(
      (each) => textOf(fieldOf(fieldOf(each, 'annotations'), NAME)) ?? [],
    )
    return {
      sizeBytes,
      mediaType,
      references: descriptors.flatMap((each) => textOf(fieldOf(each, 'digest')) ?? []),
      chainId: undefined,
      name: named[0],
    }
  }
  const diffIds = listOf(fieldOf(rootfs, 'diff_ids')).flatMap((each) => textOf(each) ?? [])
  if (diffIds.length === 0) return undefined
  return {
    sizeBytes,
    mediaType: undefined,
    references: [],
    chainId: chainIds(diffIds.map(parseDigest)).at(-1),
    name: undefined,
  }
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
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
