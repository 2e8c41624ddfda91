// The policy at a pull: asked when the manifest is known, before anything that it names is fetched.
import { Failure, messageOf } from '../../base/failure.ts'
import type { Digest } from '../../oci/digest.ts'
import { familiarName, familiarReference } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import { fetchSignatures } from '../../registry/client/fetch-signatures.ts'
import type { RegistrySession } from '../../registry/client/registry-session.ts'
import { readPolicy, type Signers } from './read-policy.ts'
import { verifySignature } from './verify-signature.ts'

/** `digests`: of the index, if there is one, and of the manifest: the signature of either is enough. Throws `permission-denied`. */
export async function requireSignature(
  policyFile: string,
  session: RegistrySession,
  reference: Reference,
  digests: readonly Digest[],
  { nowMs, signal }: { nowMs: number; signal: AbortSignal },
): Promise<void> {
  const requirement = readPolicy(policyFile, reference)
  if (requirement === 'accept') return
  if (requirement === 'reject')
    throw new Failure('permission-denied', `signature policy: ${familiarName(reference)} is rejected`)
  const reasons: string[] = []
  for (const digest of new Set(digests))
    if (await isSigned(session, reference, digest, requirement, { nowMs, signal }, reasons)) return
  const why = reasons.length === 0 ? 'no signature found' : [...new Set(reasons)].slice(0, 5).join('; ')
  throw new Failure('permission-denied', `signature policy: ${familiarReference(reference)} (${digests[0]}): ${why}`)
}

async function isSigned(
  session: RegistrySession,
  reference: Reference,
  digest: Digest,
  signers: Signers,
  { nowMs, signal }: { nowMs: number; signal: AbortSignal },
  reasons: string[],
): Promise<boolean> {
  for await (const file of fetchSignatures(session, reference, digest, signal))
    try {
      verifySignature(file, signers, { reference, digest, nowMs })
      return true
    } catch (error) {
      reasons.push(`a signature is not good: ${messageOf(error)}`)
    }
  return false
}
