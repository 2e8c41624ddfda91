// Contexts as `docker context create` stores them: a directory per context, named by the digest of its name.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { TlsFiles } from './byte-stream.ts'
import { failedTo } from './endpoint.ts'

/** Throws where there is no such context or it names no engine. */
export function loadContext(directory: string, name: string): { host: string; tls: TlsFiles | undefined } {
  const id = createHash('sha256').update(name).digest('hex')
  const path = `${directory}/contexts/meta/${id}/meta.json`
  if (!existsSync(path))
    throw failedTo(`context ${JSON.stringify(name)}: context not found: open ${path}: no such file or directory`)
  const meta = JSON.parse(readFileSync(path, 'utf8')) as {
    Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } }
  }
  const docker = meta.Endpoints?.docker
  if (!docker?.Host) throw failedTo(`cannot find docker endpoint in context ${JSON.stringify(name)}`)
  const tlsDirectory = `${directory}/contexts/tls/${id}/docker`
  const file = (base: string) => (existsSync(`${tlsDirectory}/${base}`) ? `${tlsDirectory}/${base}` : undefined)
  const files = { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') }
  const hasTls = Object.values(files).some(Boolean) || docker.SkipTLSVerify === true
  return { host: docker.Host, tls: hasTls ? { ...files, verify: docker.SkipTLSVerify !== true } : undefined }
}
