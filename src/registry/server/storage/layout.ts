// Where everything lies: the layout of the original registry (distribution), so that either can take over the other's directory or bucket.
//
//   docker/registry/v2/blobs/sha256/ab/ab…/data
//   docker/registry/v2/repositories/NAME/_layers/sha256/HEX/link
//                                       /_manifests/revisions/sha256/HEX/link
//                                       /_manifests/tags/TAG/current/link      and index/sha256/HEX/link
//                                       /_manifests/referrers/sha256/SUBJECT/sha256/HEX/link      (ours)
//                                       /_uploads/ID/startedat, data
//                                       /_lock                                                (ours, in a bucket)
//   docker/registry/v2/condemned/sha256/HEX, claimed/sha256/HEX                                   (ours)
import { type Digest, parseDigest, splitDigest } from '../../../oci/digest.ts'
import type { RepositoryName, UploadId } from '../names.ts'

export const ROOT = 'docker/registry/v2'
export const BLOBS = `${ROOT}/blobs`
export const REPOSITORIES = `${ROOT}/repositories`
export const CONDEMNED = `${ROOT}/condemned`
export const CLAIMED = `${ROOT}/claimed`

export function blobFolder(digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest)
  return `${BLOBS}/${algorithm}/${hex.slice(0, 2)}/${hex}`
}

export const blobPath = (digest: Digest): string => `${blobFolder(digest)}/data`

export const repositoryPath = (name: RepositoryName): string => `${REPOSITORIES}/${name}`

export const lockPath = (name: RepositoryName): string => `${repositoryPath(name)}/_lock`

export const layersPath = (name: RepositoryName): string => `${repositoryPath(name)}/_layers`
export const layerPath = (name: RepositoryName, digest: Digest): string => `${layersPath(name)}/${below(digest)}`

export const manifestsPath = (name: RepositoryName): string => `${repositoryPath(name)}/_manifests`
export const revisionsPath = (name: RepositoryName): string => `${manifestsPath(name)}/revisions`
export const revisionPath = (name: RepositoryName, digest: Digest): string => `${revisionsPath(name)}/${below(digest)}`

export const tagsPath = (name: RepositoryName): string => `${manifestsPath(name)}/tags`
export const tagPath = (name: RepositoryName, tag: string): string => `${tagsPath(name)}/${tag}`
export const currentPath = (name: RepositoryName, tag: string): string => `${tagPath(name, tag)}/current/link`
export const tagIndexPath = (name: RepositoryName, tag: string, digest: Digest): string =>
  `${tagPath(name, tag)}/index/${below(digest)}`

export const referrersPath = (name: RepositoryName, subject: Digest): string =>
  `${manifestsPath(name)}/referrers/${below(subject)}`
export const referrerPath = (name: RepositoryName, subject: Digest, digest: Digest): string =>
  `${referrersPath(name, subject)}/${below(digest)}`

export const uploadsPath = (name: RepositoryName): string => `${repositoryPath(name)}/_uploads`
export const uploadPath = (name: RepositoryName, id: UploadId): string => `${uploadsPath(name)}/${id}`

export const condemnedPath = (digest: Digest): string => `${CONDEMNED}/${below(digest)}`
export const claimedPath = (digest: Digest): string => `${CLAIMED}/${below(digest)}`

/** `sha256/HEX`. */
function below(digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest)
  return `${algorithm}/${hex}`
}

/** The digest that a link or a folder stands for; undefined for what somebody else put there. */
export function tryDigest(text: string): Digest | undefined {
  try {
    return parseDigest(text.trim())
  } catch {
    return undefined
  }
}
