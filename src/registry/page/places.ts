// What the page can show, as addresses behind the `#`. Anybody can write one, so names that no registry has are not taken.
import { Failure } from '../../base/failure.ts'
import { parseDigest } from '../../oci/digest.ts'
import { isTag, parseReference } from '../../oci/parse-reference.ts'

export type Place =
  | { kind: 'repositories'; last: string }
  | { kind: 'tags'; name: string; last: string }
  /** A tag or a digest. */
  | { kind: 'manifest'; name: string; reference: string }

const NAME_LENGTH_MAX = 255

/** Undefined: there is no such place. */
export function parsePlace(hash: string): Place | undefined {
  const [kind = '', query = ''] = hash.replace(/^#/, '').split('?', 2)
  const parameters = new URLSearchParams(query)
  const [name, last] = [parameters.get('name') ?? '', parameters.get('last') ?? '']
  switch (kind) {
    case '':
    case 'repositories':
      return { kind: 'repositories', last }
    case 'tags':
      return isRepositoryName(name) ? { kind, name, last } : undefined
    case 'manifest': {
      const reference = parameters.get('reference') ?? ''
      return isRepositoryName(name) && isReference(reference) ? { kind, name, reference } : undefined
    }
    default:
      return undefined
  }
}

export function formatPlace(place: Place): string {
  const { kind, ...rest } = place
  const given = Object.entries(rest).filter(([, value]) => value !== '')
  return given.length === 0 ? `#${kind}` : `#${kind}?${new URLSearchParams(given)}`
}

export function isRepositoryName(text: string): boolean {
  if (text.length > NAME_LENGTH_MAX) return false
  try {
    const { path, tag, digest } = parseReference(`localhost/${text}`)
    return path === text && tag === undefined && digest === undefined
  } catch {
    return false
  }
}

export function isReference(text: string): boolean {
  return isTag(text) || isDigest(text)
}

export function isDigest(text: string): boolean {
  try {
    return parseDigest(text) === text
  } catch {
    return false
  }
}

/** What is to be typed to have the image. `host` is the page's own, so that it is what it is. Throws for what would be no name. */
export function pullCommand(host: string, name: string, reference: string): string {
  if (!isRepositoryName(name) || !isReference(reference)) throw new Failure('invalid-argument', 'not an image')
  return `docker pull ${host}/${name}${isDigest(reference) ? '@' : ':'}${reference}`
}
