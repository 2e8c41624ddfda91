// What a registry has as signatures of a manifest: cosign's `sha256-….sig` tag, and referrers that are sigstore bundles. Nothing of it is trusted here.
import { Failure, isFailure } from '../../base/failure.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { type Digest, digestOf, splitDigest } from '../../oci/digest.ts'
import { MANIFEST_BYTES_MAX, parseManifestOrIndex } from '../../oci/parse-manifest.ts'
import type { Reference } from '../../oci/reference.ts'
import { readBody } from '../upstream/http-request.ts'
import type { RegistrySession } from './registry-session.ts'
import { resolveManifest } from './resolve-manifest.ts'

const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json'
const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.\d+\+json|\+json;version=0\.\d+)$/
const PAYLOAD_BYTES_MAX = 1024 * 1024
/** Of a list of referrers, each of up to MANIFEST_BYTES_MAX. */
const PAGES_MAX = 16
/** Of one manifest; more of them are somebody's joke. */
const SIGNATURES_MAX = 50

export type SignatureFile =
  | { kind: 'simple-signing'; payload: Buffer; annotations: Readonly<Record<string, string>> }
  | { kind: 'bundle'; payload: Buffer }
  /** Too large, damaged, or not to be had: told of where no other is good. */
  | { kind: 'unusable'; reason: string }

/** Throws what keeps the registry from answering; what it does not have is no failure. */
export async function* fetchSignatures(
  session: RegistrySession,
  reference: Reference,
  subject: Digest,
  signal: AbortSignal,
): AsyncGenerator<SignatureFile> {
  const { algorithm, hex } = splitDigest(subject)
  const tagged = await findDocument(
    session,
    { ...reference, digest: undefined, tag: `${algorithm}-${hex}.sig` },
    signal,
  )
  if (tagged?.document.kind === 'manifest')
    for (const layer of tagged.document.layers.slice(0, SIGNATURES_MAX))
      if (layer.mediaType === SIMPLE_SIGNING)
        yield await readFile(session, layer, signal, (payload) => ({
          kind: 'simple-signing',
          payload,
          annotations: layer.annotations ?? {},
        }))
  const referrers = await listReferrers(session, reference, subject, signal)
  for (const referrer of referrers.filter(mayBeBundle).slice(0, SIGNATURES_MAX)) {
    const found = await findDocument(session, { ...reference, tag: undefined, digest: referrer.digest }, signal)
    if (found?.document.kind !== 'manifest' || found.document.subject?.digest !== subject) continue
    for (const layer of found.document.layers.slice(0, 1))
      if (BUNDLE.test(layer.mediaType))
        yield await readFile(session, layer, signal, (payload) => ({ kind: 'bundle', payload }))
  }
}

/** Where a tag stands for the API the lists are written by clients, some of which tell the type of the empty configuration instead. */
const UNTOLD = new Set(['', 'application/vnd.oci.empty.v1+json'])

function mayBeBundle({ artifactType = '' }: Descriptor): boolean {
  return BUNDLE.test(artifactType) || UNTOLD.has(artifactType)
}

async function findDocument(session: RegistrySession, reference: Reference, signal: AbortSignal) {
  try {
    return await resolveManifest(session, reference, signal, (_reference, status, { message }) =>
      status === 404 ? new Failure('not-found', message) : new Failure('unavailable', `signatures: ${message}`),
    )
  } catch (error) {
    if (isFailure(error, 'not-found')) return undefined
    throw error
  }
}

/** By the API of OCI 1.1, or by the tag that stands for it where there is none. */
async function listReferrers(
  session: RegistrySession,
  reference: Reference,
  subject: Digest,
  signal: AbortSignal,
): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = []
  let next: string | undefined = ''
  for (let page = 0; next !== undefined && page < PAGES_MAX; page++) {
    const response = await session.request({ method: 'GET', path: `referrers/${subject}${next}`, signal })
    const body = await readBody(response, MANIFEST_BYTES_MAX)
    if (response.statusCode !== 200) return page === 0 ? listTagged(session, reference, subject, signal) : found
    const document = parseManifestOrIndex(body, 'application/vnd.oci.image.index.v1+json')
    if (document.kind === 'index') found.push(...document.manifests)
    next = nextQuery(response.headers.link)
  }
  return found
}

/** Of the address where a list goes on (RFC 8288) the query: no other list is asked for than before. */
function nextQuery(link: string | string[] = ''): string | undefined {
  const target = /<([^>]*)>; *rel="?next"?/.exec(String(link))?.[1]
  return target === undefined || !URL.canParse(target, 'http://registry')
    ? undefined
    : new URL(target, 'http://registry').search
}

async function listTagged(session: RegistrySession, reference: Reference, subject: Digest, signal: AbortSignal) {
  const tag = subject.replace(':', '-').slice(0, 128)
  const found = await findDocument(session, { ...reference, digest: undefined, tag }, signal)
  return found?.document.kind === 'index' ? found.document.manifests : []
}

async function readFile(
  session: RegistrySession,
  { digest, size }: Descriptor,
  signal: AbortSignal,
  use: (payload: Buffer) => SignatureFile,
): Promise<SignatureFile> {
  const unusable = (reason: string): SignatureFile => ({ kind: 'unusable', reason })
  if (size > PAYLOAD_BYTES_MAX) return unusable(`a signature's payload is larger than ${PAYLOAD_BYTES_MAX} bytes`)
  const response = await session.request({ method: 'GET', path: `blobs/${digest}`, signal })
  try {
    const payload = await readBody(response, PAYLOAD_BYTES_MAX)
    if (response.statusCode !== 200) return unusable(`payload ${digest} can not be had: ${response.statusCode}`)
    if (digestOf(payload, splitDigest(digest).algorithm) !== digest) return unusable(`payload ${digest} is damaged`)
    return use(payload)
  } catch (error) {
    if (isFailure(error, 'resource-exhausted'))
      return unusable(`a signature's payload is larger than ${PAYLOAD_BYTES_MAX} bytes`)
    throw error
  }
}
