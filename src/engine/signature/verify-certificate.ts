// Whether a signature's certificate is one that the policy trusts: its chain, what it is for, who it says it is.
import type { KeyObject, X509Certificate } from 'node:crypto'
import { X509Certificate as DecodedCertificate } from '@sigstore/core'
import { Failure } from '../../base/failure.ts'
import type { TrustedIdentity } from './read-policy.ts'

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
const NAME_CONSTRAINTS = '2.5.29.30'
/** Fulcio's: the first is bare bytes, the second a DER string. */
const ISSUER_V1 = '1.3.6.1.4.1.57264.1.1'
const ISSUER_V2 = '1.3.6.1.4.1.57264.1.8'
const DEPTH_MAX = 5

/** The key that it vouches for. Throws why it does not. `nowMs`: no log of the past is asked, so all of the chain must be valid now. */
export function trustedKeyOf(
  leaf: X509Certificate,
  intermediates: readonly X509Certificate[],
  trusted: TrustedIdentity,
  nowMs: number,
): KeyObject {
  if (!isValidAt(leaf, nowMs)) throw refused('the certificate is not valid at this time')
  if (leaf.ca || !leaf.keyUsage?.includes(CODE_SIGNING)) throw refused('the certificate is not for signing code')
  if (!isVouchedFor(leaf, intermediates, trusted.roots, nowMs, 0))
    throw refused('the certificate comes from no root that the policy trusts')
  const decoded = DecodedCertificate.parse(Buffer.from(leaf.raw))
  const { rfc822Name, uri } = decoded.extSubjectAltName ?? {}
  if (rfc822Name !== trusted.identity && uri !== trusted.identity)
    throw refused(`the certificate is ${JSON.stringify(rfc822Name ?? uri ?? '')}'s`)
  const issuer = issuerOf(decoded)
  if (trusted.issuer !== undefined && issuer !== trusted.issuer)
    throw refused(`the certificate's identity is by ${JSON.stringify(issuer ?? '')}`)
  return leaf.publicKey
}

function issuerOf(certificate: DecodedCertificate): string | undefined {
  const second = certificate.extension(ISSUER_V2)
  return second?.valueObj.subs[0]?.value.toString('utf8') ?? certificate.extension(ISSUER_V1)?.value.toString('utf8')
}

function isVouchedFor(
  certificate: X509Certificate,
  intermediates: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  nowMs: number,
  below: number,
): boolean {
  if (below > DEPTH_MAX) return false
  const isIssuer = (candidate: X509Certificate) =>
    candidate.ca &&
    isValidAt(candidate, nowMs) &&
    mayIssue(candidate, below) &&
    certificate.checkIssued(candidate) &&
    certificate.verify(candidate.publicKey)
  if (roots.some(isIssuer)) return true
  return intermediates.some(
    (candidate) => isIssuer(candidate) && isVouchedFor(candidate, intermediates, roots, nowMs, below + 1),
  )
}

/** `below`: how many authorities stand between it and the leaf. What limits names is not understood here, and so not trusted. */
function mayIssue(authority: X509Certificate, below: number): boolean {
  const decoded = DecodedCertificate.parse(Buffer.from(authority.raw))
  const length = decoded.extBasicConstraints?.pathLenConstraint
  return decoded.isCA && (length === undefined || below <= length) && decoded.extension(NAME_CONSTRAINTS) === undefined
}

function isValidAt({ validFrom, validTo }: X509Certificate, nowMs: number): boolean {
  return Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo)
}

function refused(why: string): Failure {
  return new Failure('invalid-argument', why)
}
