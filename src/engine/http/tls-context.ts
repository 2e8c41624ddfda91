// The certificates that the API is served with, and the authority whose clients may come.
import { readFileSync } from 'node:fs'
import { createSecureContext, type TlsOptions } from 'node:tls'
import { Failure, messageOf } from '../../base/failure.ts'
import type { TlsSettings } from '../config.ts'

/** Undefined where TLS is off. Throws `invalid TLS configuration: …` in Docker's words. */
export function loadTlsOptions(settings: TlsSettings): TlsOptions | undefined {
  if (settings.isOn !== true) return undefined
  const pair = loadPair(settings)
  const verifies = settings.verifiesClients
  return {
    ...pair,
    ...(verifies ? { ca: loadAuthority(settings.caFile) } : {}),
    requestCert: verifies,
    rejectUnauthorized: verifies,
    minVersion: 'TLSv1.2',
  }
}

function loadPair({ certFile, keyFile }: TlsSettings): { cert: Buffer; key: Buffer } {
  const files = `(cert: ${JSON.stringify(certFile)}, key: ${JSON.stringify(keyFile)})`
  let pair: { cert: Buffer; key: Buffer }
  try {
    pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  } catch (error) {
    throw refuse(`could not load X509 key pair ${files}: ${reasonOf(error)}`)
  }
  try {
    createSecureContext(pair)
    return pair
  } catch (error) {
    throw refuse(`error reading X509 key pair - make sure the key is not encrypted ${files}: ${messageOf(error)}`)
  }
}

function loadAuthority(path: string): Buffer {
  const shown = JSON.stringify(path)
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw refuse(`could not read CA certificate ${shown}: ${reasonOf(error)}`)
  }
  try {
    createSecureContext({ ca: bytes })
  } catch {
    throw refuse(`failed to append certificates from PEM file: ${shown}`)
  }
  if (!bytes.includes('-----BEGIN CERTIFICATE-----'))
    throw refuse(`failed to append certificates from PEM file: ${shown}`)
  return bytes
}

/** `open /x: no such file or directory`. */
function reasonOf(error: unknown): string {
  const { code, path } = error as NodeJS.ErrnoException
  return code === 'ENOENT' ? `open ${path}: no such file or directory` : messageOf(error)
}

function refuse(reason: string): Failure {
  return new Failure('invalid-argument', `invalid TLS configuration: ${reason}`)
}
