// An authority, a server's certificate and a client's, made by openssl.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must } from './command.ts'

/** `ca.pem`, `cert.pem`, `key.pem` in each: what DOCKER_CERT_PATH names. */
export interface Certificates {
  server: string
  client: string
  /** Of another authority. */
  stranger: string
}

/** An address that is not loopback's, for documents (RFC 5737): a registry there is trusted only with a certificate. */
export const FOREIGN_ADDRESS = '192.0.2.1'

/** For 127.0.0.1, localhost and FOREIGN_ADDRESS; the client's name is `common-name`. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const [server, client, stranger] = ['server', 'client', 'stranger'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  await makeAuthority(join(directory, 'ca'))
  await makeAuthority(join(directory, 'other-ca'))
  await sign(
    join(directory, 'ca'),
    server,
    '/CN=localhost',
    `subjectAltName=IP:127.0.0.1,IP:${FOREIGN_ADDRESS},DNS:localhost`,
  )
  await sign(join(directory, 'ca'), client, '/CN=common-name', 'extendedKeyUsage=clientAuth')
  await sign(join(directory, 'other-ca'), stranger, '/CN=stranger', 'extendedKeyUsage=clientAuth')
  await must(['cp', join(directory, 'ca/ca.pem'), join(stranger, 'ca.pem')]) // it trusts us
  return { server, client, stranger }
}

async function makeAuthority(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const files = ['-keyout', join(directory, 'ca-key.pem'), '-out', join(directory, 'ca.pem')]
  await must([
    'openssl',
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=authority',
    ...files,
  ])
}

async function sign(authority: string, directory: string, subject: string, extension: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const path = (name: string) => join(directory, name)
  await must(['cp', join(authority, 'ca.pem'), path('ca.pem')])
  const request = ['-keyout', path('key.pem'), '-out', path('request.pem'), '-subj', subject]
  await must(['openssl', 'req', '-newkey', 'rsa:2048', '-nodes', ...request])
  await writeFile(path('extensions'), `${extension}\n`)
  const by = ['-CA', join(authority, 'ca.pem'), '-CAkey', join(authority, 'ca-key.pem'), '-CAcreateserial']
  const made = ['-in', path('request.pem'), '-out', path('cert.pem'), '-extfile', path('extensions'), '-days', '2']
  await must(['openssl', 'x509', '-req', ...made, ...by])
}
