// Names that come with requests. Nothing else ever becomes a path or an object's key, so that no request can leave its place.
import { randomUUID } from 'node:crypto'
import { isTag } from '../../oci/parse-reference.ts'

export type RepositoryName = string & { readonly brand: 'RepositoryName' }
export type UploadId = string & { readonly brand: 'UploadId' }
export type Tag = string & { readonly brand: 'Tag' }

const PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const NAME = new RegExp(`^${PART}(?:/${PART})*$`)
const NAME_LENGTH_MAX = 255
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** distribution-spec, "Pulling manifests". No part begins with `_` or a dot, which is where the store's own names begin. */
export function parseRepositoryName(text: string): RepositoryName | undefined {
  return text.length <= NAME_LENGTH_MAX && NAME.test(text) ? (text as RepositoryName) : undefined
}

export function parseTag(text: string): Tag | undefined {
  return isTag(text) ? (text as Tag) : undefined
}

export function parseUploadId(text: string): UploadId | undefined {
  return UUID.test(text) ? (text as UploadId) : undefined
}

export function newUploadId(): UploadId {
  return randomUUID() as UploadId
}
