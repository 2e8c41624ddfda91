// Image names on the command line.
import type { Reference } from '../../oci/reference.ts'

/** The parser knows digests, which takes a millisecond to load: names that need no parser go without. */
const PLAIN = /^[a-z0-9]+(?:[._-][a-z0-9]+)*(?::\w[\w.-]{0,127})?$/

/** Undefined for an image's id. Throws for what is neither an id nor a name. */
export async function parseReference(image: string): Promise<Reference | undefined> {
  if (/^(sha256:)?[a-f0-9]{64}$/.test(image)) return undefined
  if (PLAIN.test(image)) {
    const [path = '', tag = 'latest'] = image.split(':')
    return { domain: 'docker.io', path: `library/${path}`, tag, digest: undefined }
  }
  const { parseReference: parseNamed, withDefaultTag } = await import('../../oci/parse-reference.ts')
  return withDefaultTag(parseNamed(image))
}

/** As people write it: `busybox:latest`. */
export async function familiarName(reference: Reference): Promise<string> {
  return (await import('../../oci/parse-reference.ts')).familiarReference(reference)
}

/** The name as `docker ps` shows it: without the digest, without what everybody leaves out. */
export function shownName(image: string): string {
  return image
    .replace(/@[A-Za-z][\w+.-]*:[0-9a-fA-F]{32,}$/, '')
    .replace(/^(?:index\.)?docker\.io\/(?:library\/(?=[^/]+$))?/, '')
}
