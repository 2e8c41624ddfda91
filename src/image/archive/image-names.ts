// What images are called in archives: the whole name in containerd's annotation, the tag alone in OCI's, the short form in Docker's file.
import { familiarReference, formatReference, parseReference, withDefaultTag } from '../../oci/parse-reference.ts'

/** The whole name of an image, as containerd writes it beside a manifest. */
export const IMAGE_NAME = 'io.containerd.image.name'
export const REF_NAME = 'org.opencontainers.image.ref.name'

/** The annotations of a manifest that has this name. */
export function nameAnnotations(name: string): Record<string, string> {
  return { [IMAGE_NAME]: name, [REF_NAME]: ociReferenceName(name) }
}

/** `busybox:1` as docker save writes it to `docker.io/library/busybox:1`. Throws Failure('invalid-argument'). */
export function normalReference(text: string): string {
  const reference = withDefaultTag(parseReference(text))
  // A digest says all; a tag beside it would be a second name.
  return formatReference(reference.digest === undefined ? reference : { ...reference, tag: undefined })
}

/** The reverse, for docker load. Throws Failure('invalid-argument') for a name that is no reference. */
export function shortReference(name: string): string {
  return familiarReference(withDefaultTag(parseReference(name)))
}

/** OCI suggests the tag alone. A name without one, or with a digest instead, stays whole. */
function ociReferenceName(name: string): string {
  const slash = name.indexOf('/')
  if (slash <= 0) return name
  const path = name.slice(slash)
  const mark = path.search(/[:@]/)
  const tag = mark < 0 || path[mark] === '@' ? '' : path.slice(mark + 1)
  return tag === '' ? name : tag
}
