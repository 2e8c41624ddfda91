// Whether one signature is good: the bytes, then what they say. Pure; all of it comes from a registry, and is hostile until it is proven.
import { type KeyObject, verify, X509Certificate } from 'node:crypto'
import { dsse } from '@sigstore/core'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Digest } from '../../oci/digest.ts'
import { listOf, objectOf, optional, parseJsonObject, stringOf } from '../../oci/json-shape.ts'
import { parseReference } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import type { SignatureFile } from '../../registry/client/fetch-signatures.ts'
import { splitCertificates, type Signers } from './read-policy.ts'
import { trustedKeyOf } from './verify-certificate.ts'

export interface Signed {
  reference: Reference
  digest: Digest
  /** Milliseconds since the epoch. */
  nowMs: number
}

/** Throws why it is not. */
export function verifySignature(file: SignatureFile, signers: Signers, signed: Signed): void {
  if (file.kind === 'unusable') throw new Failure('invalid-argument', file.reason)
  if (file.kind === 'bundle') verifyBundle(file.payload, signers, signed)
  else verifySimpleSigning(file, signers, signed)
}

const SIGNATURE = 'dev.cosignproject.cosign/signature'
const CERTIFICATE = 'dev.sigstore.cosign/certificate'
const CHAIN = 'dev.sigstore.cosign/chain'

/** cosign's own and skopeo's: the payload is the signed document, the rest stands in annotations. */
function verifySimpleSigning(
  { payload, annotations }: Extract<SignatureFile, { kind: 'simple-signing' }>,
  signers: Signers,
  signed: Signed,
): void {
  const signature = decodeBase64(annotations[SIGNATURE] ?? '')
  const leaf = annotations[CERTIFICATE]
  const keys = candidateKeys(
    signers,
    leaf === undefined ? [] : splitCertificates(leaf),
    () => splitCertificates(annotations[CHAIN] ?? ''),
    signed,
  )
  if (!keys.some((key) => isSignedBy(key, payload, signature))) throw noneOfTheKeys()
  const critical = objectOf(parseJsonObject(payload, 'payload')['critical'], 'critical')
  const type = stringOf(critical['type'], 'critical.type')
  if (!TYPES.has(type)) throw new Failure('invalid-argument', `the payload is a ${JSON.stringify(type)}`)
  const image = objectOf(critical['image'], 'critical.image')
  checkDigest(stringOf(image['docker-manifest-digest'], 'docker-manifest-digest'), signed)
  const identity = objectOf(critical['identity'], 'critical.identity')
  checkIdentity(stringOf(identity['docker-reference'], 'docker-reference'), signed)
}

const TYPES = new Set(['cosign container image signature', 'atomic container signature'])
const IN_TOTO = 'application/vnd.in-toto+json'
const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1'

/** A sigstore bundle over an in-toto statement. An attestation says something about an image; only cosign's `sign` predicate is a signature of it. */
function verifyBundle(payload: Buffer, signers: Signers, signed: Signed): void {
  const bundle = parseJsonObject(payload, 'bundle')
  const material = objectOf(bundle['verificationMaterial'], 'verificationMaterial')
  const envelope = objectOf(bundle['dsseEnvelope'], 'dsseEnvelope')
  const type = stringOf(envelope['payloadType'], 'payloadType')
  if (type !== IN_TOTO) throw new Failure('invalid-argument', `the bundle holds ${JSON.stringify(type)}`)
  const statementBytes = decodeBase64(stringOf(envelope['payload'], 'payload'))
  const signatures = listOf(envelope['signatures'], 'signatures', objectOf, 1)
  const signature = decodeBase64(stringOf(signatures[0]?.['sig'], 'sig'))
  const [leaf, ...chain] = certificatesOf(material)
  const keys = candidateKeys(signers, leaf === undefined ? [] : [leaf], () => chain, signed)
  const encoded = dsse.preAuthEncoding(type, statementBytes)
  if (!keys.some((key) => isSignedBy(key, encoded, signature))) throw noneOfTheKeys()
  const statement = parseJsonObject(statementBytes, 'statement')
  const predicate = stringOf(statement['predicateType'], 'predicateType')
  if (predicate !== SIGN_PREDICATE)
    throw new Failure('invalid-argument', `a statement of ${JSON.stringify(predicate)} is no signature`)
  const subjects = listOf(statement['subject'], 'subject', objectOf, 1)
  const sha256 = stringOf(objectOf(subjects[0]?.['digest'], 'subject.digest')['sha256'], 'sha256')
  checkDigest(`sha256:${sha256}`, signed)
}

function certificatesOf(material: Readonly<Record<string, unknown>>): X509Certificate[] {
  const raw = (value: unknown, what: string) =>
    new X509Certificate(decodeBase64(stringOf(objectOf(value, what)['rawBytes'], `${what}.rawBytes`)))
  const single = optional(material['certificate'], 'certificate', raw)
  if (single !== undefined) return [single]
  const chain = optional(material['x509CertificateChain'], 'x509CertificateChain', objectOf)
  return chain === undefined ? [] : listOf(chain['certificates'], 'certificates', raw, 10)
}

/** With a certificate its key, once it is trusted, and none else; without one the keys of the policy. */
function candidateKeys(
  signers: Signers,
  [leaf]: readonly X509Certificate[],
  chain: () => X509Certificate[],
  { nowMs }: Signed,
): readonly KeyObject[] {
  if (leaf === undefined) return signers.keys
  if (signers.certificates.length === 0)
    throw new Failure('invalid-argument', 'it is by a certificate, and the policy trusts none')
  const intermediates = chain()
  const reasons: string[] = []
  for (const trusted of signers.certificates)
    try {
      return [trustedKeyOf(leaf, intermediates, trusted, nowMs)]
    } catch (error) {
      reasons.push(messageOf(error))
    }
  throw new Failure('invalid-argument', reasons.join('; '))
}

function isSignedBy(key: KeyObject, data: Buffer, signature: Buffer): boolean {
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', data, key, signature)
  } catch {
    return false // not of the form that this kind of key makes
  }
}

function noneOfTheKeys(): Failure {
  return new Failure('invalid-argument', 'it is by none of the keys that the policy trusts')
}

function checkDigest(found: string, { digest }: Signed): void {
  if (found !== digest) throw new Failure('invalid-argument', `it is for ${JSON.stringify(found.slice(0, 200))}`)
}

/** cosign writes the repository alone, others the whole reference: a tag in it must then be the one that was asked for. */
function checkIdentity(found: string, { reference }: Signed): void {
  const refuse = () => new Failure('invalid-argument', `it is for ${JSON.stringify(found.slice(0, 300))}`)
  let named: Reference
  try {
    named = parseReference(found.replace(/^index\.docker\.io\//, 'docker.io/'))
  } catch {
    throw refuse()
  }
  if (named.domain !== reference.domain || named.path !== reference.path) throw refuse()
  if (named.tag !== undefined && reference.digest === undefined && named.tag !== reference.tag) throw refuse()
}

function decodeBase64(text: string): Buffer {
  if (text === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw new Failure('invalid-argument', 'no base64')
  return Buffer.from(text, 'base64')
}
