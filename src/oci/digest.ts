// Content digests (image-spec descriptor.md, "Digests").
import { createHash } from 'node:crypto'
import { Failure } from '../base/failure.ts'

export type Digest = string & { readonly brand: 'Digest' }

/** Lower-case sha256 or sha512. Throws Failure('invalid-argument'). */
export function parseDigest(text: string): Digest {
  if (/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text)) return text as Digest
  throw new Failure('invalid-argument', `invalid digest: ${JSON.stringify(text)}`)
}

/** Of bytes at hand. */
export function digestOf(bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
}

/** `sha256` and the hex digits. */
export function splitDigest(digest: Digest): { algorithm: 'sha256' | 'sha512'; hex: string } {
  const colon = digest.indexOf(':')
  return { algorithm: digest.slice(0, colon) as 'sha256' | 'sha512', hex: digest.slice(colon + 1) }
}
