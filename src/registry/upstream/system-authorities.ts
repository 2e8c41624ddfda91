// Whom this machine trusts: what an administrator has added to the system's certificates counts for us as for every other program.
import { existsSync, readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'

/** Where distributions keep them, as Go's crypto/x509 looks for them (root_linux.go). */
const FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** Certificates in PEM. `SSL_CERT_FILE` stands for the system's; Node's own are for a machine that has none. */
export function systemAuthorities(env: Readonly<Record<string, string | undefined>> = process.env): readonly string[] {
  const named = env['SSL_CERT_FILE']
  const file = named ? named : FILES.find((path) => existsSync(path))
  if (file === undefined) return rootCertificates
  try {
    return [readFileSync(file, 'utf8')]
  } catch {
    return rootCertificates
  }
}
