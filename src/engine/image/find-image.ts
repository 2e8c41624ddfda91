// Which image a client means: Docker's order of digest, reference, prefix of an id.
import { Failure, isFailure } from '../../base/failure.ts'
import { familiarReference, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import { parseRecordName, recordNameOf } from './image-names.ts'
import type { Image } from './image-store.ts'

/** Undefined where there is none. Throws `invalid reference format` for what can't be a name. */
export function findImage(images: readonly Image[], name: string): Image | undefined {
  const digest = /^(?:sha256:)?([0-9a-f]{64})$/.exec(name)?.[1]
  if (digest !== undefined) return byDigest(images, `sha256:${digest}`)
  const byName = findByReference(images, parseReference(name))
  return byName ?? byIdPrefix(images, name)
}

/** Docker's error, with the name as it was understood. */
export function noSuchImage(name: string): Failure {
  return new Failure('not-found', `No such image: ${understoodName(name)}`)
}

function byDigest(images: readonly Image[], digest: string): Image | undefined {
  return (
    images.find((image) => image.id === digest) ??
    images.find((image) => image.target.digest === digest) ??
    images.find((image) => image.manifest.digest === digest)
  )
}

function findByReference(images: readonly Image[], reference: Reference): Image | undefined {
  const recordName = recordNameOf(reference)
  const exact = images.find((image) => image.recordNames.includes(recordName))
  if (exact || reference.digest === undefined) return exact
  const { domain, path, digest } = reference
  return images.find(
    (image) =>
      [image.target.digest, image.manifest.digest].includes(digest) &&
      image.recordNames.some((name) => {
        const known = parseRecordName(name)
        return known?.domain === domain && known.path === path
      }),
  )
}

/** Nothing where several begin so. */
function byIdPrefix(images: readonly Image[], name: string): Image | undefined {
  const prefix = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(name)?.[1]
  if (prefix === undefined) return undefined
  const found = images.filter((image) => image.id.startsWith(`sha256:${prefix}`))
  return found.length === 1 ? found[0] : undefined
}

/** As Docker's messages have it: with the tag that nobody gave. */
export function understoodName(name: string): string {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(name)) return name.startsWith('sha256:') ? name : `sha256:${name}`
  try {
    return familiarReference(withDefaultTag(parseReference(name)))
  } catch (error) {
    if (isFailure(error, 'invalid-argument')) return name
    throw error
  }
}
