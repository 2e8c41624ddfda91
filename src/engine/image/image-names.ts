// Names of images: as containerd records hold them, and as people read them.
import { isFailure } from '../../base/failure.ts'
import type { Digest } from '../../oci/digest.ts'
import {
  familiarName,
  familiarReference,
  formatReference,
  parseReference,
  withDefaultTag,
} from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'

/** A record of this name keeps an image that has lost its tags. Moby's prefix, so that both see the same images. */
const DANGLING_PREFIX = 'moby-dangling@'

export function danglingName(target: Digest): string {
  return `${DANGLING_PREFIX}${target}`
}

export function isDanglingName(recordName: string): boolean {
  return recordName.startsWith(DANGLING_PREFIX)
}

/** What a record is called: the full name with its tag, or with its digest where one was given, for then the digest decides. */
export function recordNameOf(reference: Reference): string {
  if (reference.digest !== undefined) return formatReference({ ...reference, tag: undefined })
  return formatReference(withDefaultTag(reference))
}

/** `busybox:latest`, `busybox@sha256:…`. */
export function familiarRecordName(recordName: string): string {
  const reference = parseRecordName(recordName)
  return reference ? familiarReference(reference) : recordName
}

/** Undefined for records that other programs have given names of their own. */
export function parseRecordName(recordName: string): Reference | undefined {
  try {
    return isDanglingName(recordName) ? undefined : parseReference(recordName)
  } catch (error) {
    if (isFailure(error, 'invalid-argument')) return undefined
    throw error
  }
}

export function repoTagsOf(recordNames: readonly string[]): string[] {
  const tagged = recordNames.flatMap((name) => {
    const reference = parseRecordName(name)
    return reference?.tag !== undefined && reference.digest === undefined ? [familiarReference(reference)] : []
  })
  return [...new Set(tagged)].sort()
}

/** One for each repository that has a name for the image. */
export function repoDigestsOf(recordNames: readonly string[], target: Digest): string[] {
  const names = recordNames.flatMap((name) => {
    const reference = parseRecordName(name)
    return reference ? [`${familiarName(reference)}@${reference.digest ?? target}`] : []
  })
  return [...new Set(names)].sort()
}
