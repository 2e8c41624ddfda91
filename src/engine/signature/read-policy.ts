// The file that `signature-policy` names: whose signature an image of which repository must have (docs/decisions/signatures.md).
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { Failure, messageOf, withSubject } from '../../base/failure.ts'
import { type JsonObject, listOf, objectOf, optional, parseJsonObject, stringOf } from '../../oci/json-shape.ts'
import { parseReference } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'

const FILE_BYTES_MAX = 1024 * 1024

/** One good signature by any of them is enough. */
export interface Signers {
  keys: readonly KeyObject[]
  certificates: readonly TrustedIdentity[]
}

export interface TrustedIdentity {
  roots: readonly X509Certificate[]
  /** The subject's alternative name: an address or a URL. */
  identity: string
  /** Who has said so: Fulcio's extension. Undefined: not looked at. */
  issuer: string | undefined
}

export type Requirement = 'accept' | 'reject' | Signers

/** Throws where the file, or anything that it names, is not as it must be: nothing is pulled then. */
export function readPolicy(path: string, reference: Pick<Reference, 'domain' | 'path'>): Requirement {
  const { fallback, repositories } = parsePolicy(path)
  const name = `${reference.domain}/${reference.path}`
  const matching = [...repositories.keys()]
    .filter((prefix) => name === prefix || name.startsWith(`${prefix}/`))
    .sort((a, b) => b.length - a.length)
  const requirement = repositories.get(matching[0] ?? '') ?? fallback
  return typeof requirement === 'string' ? requirement : readSigners(path, requirement)
}

/** At start: a policy that nobody can obey is told of before the first pull. */
export function checkPolicy(path: string): void {
  const { fallback, repositories } = parsePolicy(path)
  for (const requirement of [fallback, ...repositories.values()])
    if (typeof requirement !== 'string') readSigners(path, requirement)
}

type Written = 'accept' | 'reject' | JsonObject

function parsePolicy(path: string): { fallback: Written; repositories: ReadonlyMap<string, Written> } {
  return about(path, () => {
    const document = parseJsonObject(readWhole(path), 'policy')
    onlyKeys(document, ['default', 'repositories'], 'policy')
    const repositories = new Map<string, Written>()
    for (const [name, value] of Object.entries(objectOf(document['repositories'] ?? {}, 'repositories')))
      repositories.set(fullName(name), requirementOf(value, `repositories[${JSON.stringify(name)}]`))
    if (document['default'] === undefined) throw new Failure('invalid-argument', 'default: missing')
    return { fallback: requirementOf(document['default'], 'default'), repositories }
  })
}

/** A host with or without a part of a path, or a repository of Docker Hub as `docker pull` would take it. */
function fullName(name: string): string {
  const [first = '', ...rest] = name.split('/')
  const isHost = /[.:]/.test(first) || first === 'localhost'
  if (!isHost) {
    const { domain, path, tag, digest } = parseReference(name)
    if (tag === undefined && digest === undefined) return `${domain}/${path}`
  } else if (rest.every((part) => /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$/.test(part)))
    return [first === 'index.docker.io' ? 'docker.io' : first, ...rest].join('/')
  throw new Failure('invalid-argument', `${name}: not a registry or a repository`)
}

function requirementOf(value: unknown, what: string): Written {
  if (value === 'accept' || value === 'reject') return value
  if (typeof value === 'string') throw new Failure('invalid-argument', `${what}: not "accept", "reject" or an object`)
  const object = objectOf(value, what)
  onlyKeys(object, ['keys', 'certificates'], what)
  return object
}

function readSigners(path: string, written: JsonObject): Signers {
  return about(path, () => {
    const keys = listOf(written['keys'], 'keys', stringOf, 100).map((file) =>
      about(file, () => createPublicKey(readWhole(file))),
    )
    const certificates = listOf(written['certificates'], 'certificates', trustedIdentity, 100)
    if (keys.length + certificates.length === 0)
      throw new Failure('invalid-argument', 'a requirement without keys and certificates: say "reject" or "accept"')
    return { keys, certificates }
  })
}

function trustedIdentity(value: unknown, what: string): TrustedIdentity {
  const object = objectOf(value, what)
  onlyKeys(object, ['roots', 'identity', 'issuer'], what)
  const file = stringOf(object['roots'], `${what}.roots`)
  const identity = stringOf(object['identity'], `${what}.identity`)
  if (identity === '') throw new Failure('invalid-argument', `${what}.identity: empty`)
  const issuer = optional(object['issuer'], `${what}.issuer`, stringOf)
  const roots = about(file, () => splitCertificates(readWhole(file).toString('latin1')))
  if (roots.length === 0) throw new Failure('invalid-argument', `${file}: no certificate`)
  return { roots, identity, issuer }
}

const CERTIFICATES_MAX = 20

/** PEM blocks, one behind the other. Throws where one is none. */
export function splitCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length > CERTIFICATES_MAX) throw new Failure('invalid-argument', 'too many certificates')
  return blocks.map((block) => new X509Certificate(block))
}

function onlyKeys(object: JsonObject, known: readonly string[], what: string): void {
  const unknown = Object.keys(object).filter((key) => !known.includes(key))
  if (unknown.length > 0) throw new Failure('invalid-argument', `${what}: unknown key ${JSON.stringify(unknown[0])}`)
}

function readWhole(path: string): Buffer {
  const { size } = statSync(path)
  if (size > FILE_BYTES_MAX) throw new Failure('invalid-argument', `larger than ${FILE_BYTES_MAX} bytes`)
  return readFileSync(path)
}

function about<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw withSubject(`signature policy ${path}`, new Failure('invalid-argument', messageOf(error), { cause: error }))
  }
}
