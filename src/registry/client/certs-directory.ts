// What an administrator has laid down for a registry in `certs.d`: certificates, as Docker reads them, or a `hosts.toml`, as containerd does.
import { readdir, readFile, stat } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { join } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import type { TlsFiles } from '../upstream/tls-files.ts'

/**
 * `<directory>/<host>`: authorities (`*.crt`) and client certificates (`*.cert`, each with its `*.key`).
 * @param host with its port, where it has one.
 * @returns undefined where there is nothing. Throws `invalid-argument` in Docker's words for half a pair, or a pair that is none.
 */
export async function loadCertificates(directory: string, host: string): Promise<TlsFiles | undefined> {
  const home = homeOf(directory, host)
  const names = (await readdir(home).catch(ifMissing<string[]>([]))).sort()
  const authorities: string[] = []
  const pairs: { certificate: string; key: string }[] = []
  for (const name of names) {
    if (name.endsWith('.crt')) authorities.push(await readFile(join(home, name), 'utf8'))
    if (name.endsWith('.cert')) pairs.push(await readPair(home, name, names))
    if (name.endsWith('.key')) requireCertificate(name, names)
  }
  return authorities.length + pairs.length === 0 ? undefined : { authorities, pairs }
}

/** Whether the registry has a `hosts.toml`, or there is one for all that have no directory of their own. */
export async function hasHostsFile(directory: string, domain: string): Promise<boolean> {
  const names = [domain.replace(/:(\d+)$/, '_$1_'), domain, '_default']
  for (const name of names) {
    const home = homeOf(directory, name)
    if (await stat(join(home, 'hosts.toml')).catch(ifMissing(undefined))) return true
    if (await stat(home).catch(ifMissing(undefined))) return false
  }
  return false
}

async function readPair(home: string, name: string, names: readonly string[]) {
  const keyName = name.replace(/\.cert$/, '.key')
  if (!names.includes(keyName))
    throw new Failure(
      'invalid-argument',
      `missing key ${keyName} for client certificate ${name}. CA certificates must use the extension .crt`,
    )
  const [certificate, key] = await Promise.all([name, keyName].map((file) => readFile(join(home, file), 'utf8')))
  const pair = { certificate: certificate!, key: key! }
  try {
    createSecureContext({ cert: pair.certificate, key: pair.key })
  } catch (error) {
    throw new Failure('invalid-argument', `tls: ${join(home, name)}: ${messageOf(error)}`, { cause: error })
  }
  return pair
}

function requireCertificate(keyName: string, names: readonly string[]): void {
  const name = keyName.replace(/\.key$/, '.cert')
  if (!names.includes(name))
    throw new Failure('invalid-argument', `missing client certificate ${name} for key ${keyName}`)
}

/** A host is part of a reference, which a client sends: it must not lead elsewhere. */
function homeOf(directory: string, host: string): string {
  if (!/^[A-Za-z0-9._:[\]-]+$/.test(host) || /^\.+$/.test(host))
    throw new Failure('invalid-argument', `invalid registry host ${JSON.stringify(host)}`)
  return join(directory, host)
}

function ifMissing<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return instead
    throw error
  }
}
