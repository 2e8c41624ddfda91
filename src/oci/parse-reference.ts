// Image references from text and back, by the grammar of github.com/distribution/reference.
//
//   reference := [domain '/'] path [':' tag] ['@' digest]
//
// A first part is a domain if it has a dot or a colon, is `localhost`, or has an upper-case letter. No domain means docker.io, and there a
// path of one part lies under library/.
import { Failure } from '../base/failure.ts'
import { type Digest, parseDigest } from './digest.ts'
import type { Reference } from './reference.ts'

const DEFAULT_DOMAIN = 'docker.io'
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io'
const OFFICIAL = 'library/'
const NAME_LENGTH_MAX = 255

const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`
const PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const PATH = `${PART}(?:/${PART})*`
const TAG = '[\\w][\\w.-]{0,127}'
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}'

const NAME_PATTERN = new RegExp(`^(${DOMAIN})/(${PATH})$`)
const REMOTE_PATTERN = new RegExp(`^([^:@]*)(?::(${TAG}))?(?:@(${DIGEST}))?$`)

/** Throws Failure('invalid-argument') with the words that Docker's users know. A tag is not defaulted: see `withDefaultTag`. */
export function parseReference(text: string): Reference {
  // 64 hex digits are an image's id and would be ambiguous as a name.
  if (/^[a-f0-9]{64}$/.test(text))
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`)
  const { domain, remainder } = splitDomain(text)
  const path = /^[^:]*/.exec(remainder.replace(/@.*$/s, ''))![0]
  if (path !== path.toLowerCase())
    throw invalid(`invalid reference format: repository name (${path}) must be lowercase`)
  const remote = REMOTE_PATTERN.exec(remainder)
  if (!remote || !NAME_PATTERN.test(`${domain}/${remote[1]}`)) throw invalid('invalid reference format')
  if (remote[1]!.length > NAME_LENGTH_MAX)
    throw invalid(`repository name must not be more than ${NAME_LENGTH_MAX} characters`)
  return {
    domain,
    path: remote[1]!,
    tag: remote[2],
    digest: remote[3] === undefined ? undefined : digestPart(remote[3]),
  }
}

/** What a name without tag and digest means: `latest`. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference
}

/** `docker.io/library/busybox:latest@sha256:…`, as far as there are parts. */
export function formatReference(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffix(reference)}`
}

/** As people write and Docker prints it: `busybox:latest`. */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference)}${suffix(reference)}`
}

/** The name alone: `busybox`, `user/app`, `127.0.0.1:5000/app`. */
export function familiarName(reference: { domain: string; path: string }): string {
  const { domain, path } = reference
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`
  // library/a/b can't be shortened: a/b would be read as somebody's repository.
  return path.startsWith(OFFICIAL) && !path.slice(OFFICIAL.length).includes('/') ? path.slice(OFFICIAL.length) : path
}

export function isTag(text: string): boolean {
  return new RegExp(`^${TAG}$`).test(text)
}

function suffix({ tag, digest }: { tag: string | undefined; digest: Digest | undefined }): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/')
  const first = slash < 0 ? '' : text.slice(0, slash)
  const isDomain = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase())
  let domain = isDomain ? first : DEFAULT_DOMAIN
  let remainder = isDomain ? text.slice(slash + 1) : text
  if (domain === LEGACY_DEFAULT_DOMAIN) domain = DEFAULT_DOMAIN
  if (domain === DEFAULT_DOMAIN && !remainder.includes('/')) remainder = OFFICIAL + remainder
  return { domain, remainder }
}

function digestPart(text: string): Digest {
  try {
    return parseDigest(text)
  } catch {
    throw invalid(
      /^(?:sha256|sha512|sha384):/.test(text) ? 'invalid checksum digest length' : 'unsupported digest algorithm',
    )
  }
}

function invalid(message: string): Failure {
  return new Failure('invalid-argument', message)
}
