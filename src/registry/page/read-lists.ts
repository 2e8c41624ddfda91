// Lists of the registry, a page of each at a time, and deleting what they name.
import { listOf, parseJsonObject, stringOf } from '../../oci/json-shape.ts'
import { parseDescriptor } from '../../oci/parse-manifest.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { isFailure } from '../../base/failure.ts'
import { readBytes, type Session } from './session.ts'

export interface NamesPage {
  names: string[]
  /** Where it goes on; undefined at the end. */
  next: string | undefined
}

const TAGS_COUNT = 25
const LIST_BYTES_MAX = 16 * 1024 * 1024
/** A registry begins a new one after four megabytes. */
const REFERRER_PAGES_MAX = 8

/** As many as the registry gives unasked: it may allow no more. */
export async function listRepositories(session: Session, last: string, signal: AbortSignal): Promise<NamesPage> {
  const query = last === '' ? '' : `?${new URLSearchParams({ last })}`
  const answer = await session.request(`_catalog${query}`, { signal })
  return { names: await namesOf(answer, 'repositories'), next: nextOf(answer) }
}

export async function listTags(session: Session, name: string, last: string, signal: AbortSignal): Promise<NamesPage> {
  const query = new URLSearchParams({ n: String(TAGS_COUNT), ...(last === '' ? {} : { last }) })
  const answer = await session.request(`${name}/tags/list?${query}`, { repository: name, signal })
  return { names: await namesOf(answer, 'tags'), next: nextOf(answer) }
}

async function namesOf(answer: Response, key: 'repositories' | 'tags'): Promise<string[]> {
  const body = parseJsonObject(await readBytes(answer, LIST_BYTES_MAX), key)
  return listOf(body[key], key, stringOf, 1_000_000)
}

/** Of the address in `Link` only where to go on is taken. */
function nextOf({ headers }: Response): string | undefined {
  const target = /<([^>]*)>; *rel="?next"?/.exec(headers.get('link') ?? '')?.[1]
  if (target === undefined || !URL.canParse(target, 'http://registry')) return undefined
  return new URL(target, 'http://registry').searchParams.get('last') ?? undefined
}

export interface Referrer {
  descriptor: Descriptor
  /** By which it was found, where that was a tag. */
  tag?: string
}

/** What cosign calls the tags under which it keeps what belongs to an image, where a registry has no list of referrers, or by its own choice. */
const COSIGN_TAGS = ['sig', 'att', 'sbom']

/** Signatures, SBOMs and whatever else names this manifest as its subject. */
export async function listReferrers(
  session: Session,
  name: string,
  digest: string,
  signal: AbortSignal,
): Promise<Referrer[]> {
  const listed: Referrer[] = []
  let last: string | undefined = ''
  for (let page = 0; last !== undefined && page < REFERRER_PAGES_MAX; page++) {
    const query = last === '' ? '' : `?${new URLSearchParams({ last })}`
    const answer: Response = await session.request(`${name}/referrers/${digest}${query}`, { repository: name, signal })
    const index = parseJsonObject(await readBytes(answer, LIST_BYTES_MAX), 'referrers')
    listed.push(...listOf(index['manifests'], 'referrers', parseDescriptor).map((descriptor) => ({ descriptor })))
    last = nextOf(answer)
  }
  const tagged = await Promise.all(
    COSIGN_TAGS.map((suffix) => findTag(session, name, `${digest.replace(':', '-')}.${suffix}`, signal)),
  )
  return [...listed, ...tagged.filter((found) => found !== undefined)]
}

async function findTag(
  session: Session,
  name: string,
  tag: string,
  signal: AbortSignal,
): Promise<Referrer | undefined> {
  try {
    const asked = { method: 'HEAD', accept: ACCEPTED, repository: name, signal } as const
    const { headers } = await session.request(`${name}/manifests/${tag}`, asked)
    const head = {
      mediaType: headers.get('content-type') ?? '',
      digest: headers.get('docker-content-digest') ?? '',
      size: Number(headers.get('content-length') ?? 0),
    }
    return { descriptor: parseDescriptor(head, tag), tag }
  } catch (error) {
    if (isFailure(error, 'not-found')) return undefined
    throw error
  }
}

/** By tag: the tag alone. By digest: the manifest and every tag of it. */
export async function deleteManifest(session: Session, name: string, reference: string): Promise<void> {
  await session.request(`${name}/manifests/${reference}`, { method: 'DELETE', repository: name })
}

export const ACCEPTED = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')
