// Keys that tokens are believed by: certificates, a key set, or our own token service's key; and how a token names one.
import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { calculateJwkThumbprint, type JWK, type JWTHeaderParameters } from 'jose'
import { Failure, messageOf } from '../../../base/failure.ts'
import { listOf, objectOf, parseJsonObject } from '../../../oci/json-shape.ts'

export interface TokenKeys {
  /** By every name that a token may call one by. */
  byId: ReadonlyMap<string, KeyObject>
  all: readonly KeyObject[]
  roots: readonly X509Certificate[]
}

const CHAIN_MAX = 8

/** Throws Failure('invalid-argument') for files that hold no keys. */
export async function loadTokenKeys(files: {
  rootCertBundle: string | undefined
  jwks: string | undefined
  own: KeyObject | undefined
}): Promise<TokenKeys> {
  const byId = new Map<string, KeyObject>()
  const all: KeyObject[] = []
  const add = async (key: KeyObject, id?: unknown) => {
    all.push(key)
    for (const name of await namesOf(key)) byId.set(name, key)
    if (typeof id === 'string') byId.set(id, key)
  }
  const roots = files.rootCertBundle === undefined ? [] : readCertificates(files.rootCertBundle)
  for (const root of roots) await add(root.publicKey)
  if (files.jwks !== undefined) for (const jwk of readKeySet(files.jwks)) await add(importPublic(jwk), jwk.kid)
  if (files.own !== undefined) await add(createPublicKey(files.own))
  if (all.length === 0) throw new Failure('invalid-argument', 'auth.token names no keys: rootcertbundle or jwks')
  return { byId, all, roots }
}

function readCertificates(path: string): X509Certificate[] {
  const blocks = readFileSync(path, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw new Failure('invalid-argument', `${path} holds no certificate`)
  return blocks.map((block) => new X509Certificate(block))
}

function readKeySet(path: string): JWK[] {
  const set = parseJsonObject(readFileSync(path), path)
  return listOf(set['keys'], `${path}: keys`, (value, what) => objectOf(value, what) as JWK, 100)
}

function importPublic(jwk: JWK): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' })
  } catch (error) {
    throw new Failure('invalid-argument', `a key of the key set can't be read: ${messageOf(error)}`)
  }
}

/** RFC 7638's thumbprint, and the older form of Docker's libtrust: 240 bits of a hash in base 32, by fours. */
async function namesOf(key: KeyObject): Promise<string[]> {
  const thumbprint = await calculateJwkThumbprint(key.export({ format: 'jwk' }) as JWK)
  const hash = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
  return [thumbprint, base32(hash.subarray(0, 30)).match(/.{4}/g)?.join(':') ?? '']
}

export async function keyId(key: KeyObject): Promise<string> {
  return (await namesOf(createPublicKey(key)))[0] ?? ''
}

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{5}/g) ?? []
  return groups.map((group) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(group, 2)]).join('')
}

/** The key that a token's header means. Throws where it means none that is trusted. */
export function findTokenKey(keys: TokenKeys, header: JWTHeaderParameters, now: Date): KeyObject {
  if (header.x5c !== undefined) return leafKey(keys.roots, header.x5c, now)
  if (header.kid !== undefined) {
    const key = keys.byId.get(header.kid)
    if (key === undefined) throw new Failure('unauthenticated', 'the token is signed by a key that is not trusted')
    return key
  }
  const [only, another] = keys.all
  if (only === undefined || another !== undefined)
    throw new Failure('unauthenticated', 'the token does not name its key')
  return only
}

/** Each certificate is signed by the next, the last one by a root. */
function leafKey(roots: readonly X509Certificate[], encoded: readonly string[], now: Date): KeyObject {
  if (encoded.length > CHAIN_MAX) throw new Failure('unauthenticated', 'the chain of certificates is too long')
  const chain = encoded.map((each) => new X509Certificate(Buffer.from(each, 'base64')))
  for (const [at, certificate] of chain.entries()) {
    if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo))
      throw new Failure('unauthenticated', 'a certificate of the token is not valid now')
    if (roots.some((root) => root.fingerprint256 === certificate.fingerprint256)) return leafOf(chain)
    const issuers = [chain[at + 1], ...roots].filter((issuer) => issuer !== undefined)
    const issuer = issuers.find(
      (each) => each.ca && certificate.checkIssued(each) && certificate.verify(each.publicKey),
    )
    if (issuer === undefined) break
    if (roots.includes(issuer)) return leafOf(chain)
  }
  throw new Failure('unauthenticated', 'the token’s certificate leads to no root that is trusted')
}

function leafOf([leaf]: readonly X509Certificate[]): KeyObject {
  if (leaf === undefined) throw new Failure('unauthenticated', 'the token has no certificate')
  return leaf.publicKey
}
