// Contexts as `docker context create` stores them: a directory per context, named by the digest of its name.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { failedTo, type HostAndTls } from './endpoint.ts'

/** Where a context's description and its certificates are. */
export function contextPaths(directory: string, name: string): { metadata: string; tls: string } {
  const id = createHash('sha256').update(name).digest('hex')
  return { metadata: `${directory}/contexts/meta/${id}`, tls: `${directory}/contexts/tls/${id}` }
}

/** Throws where there is no such context or it names no engine. */
export function loadContext(directory: string, name: string): HostAndTls {
  const paths = contextPaths(directory, name)
  const path = `${paths.metadata}/meta.json`
  if (!existsSync(path))
    throw failedTo(`context ${JSON.stringify(name)}: context not found: open ${path}: no such file or directory`)
  const meta = JSON.parse(readFileSync(path, 'utf8')) as {
    Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } }
  }
  const docker = meta.Endpoints?.docker
  if (!docker?.Host) throw failedTo(`cannot find docker endpoint in context ${JSON.stringify(name)}`)
  const tlsDirectory = `${paths.tls}/docker`
  const file = (base: string) => (existsSync(`${tlsDirectory}/${base}`) ? `${tlsDirectory}/${base}` : undefined)
  const files = { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') }
  const hasTls = Object.values(files).some(Boolean) || docker.SkipTLSVerify === true
  return { host: docker.Host, tls: hasTls ? { ...files, verify: docker.SkipTLSVerify !== true } : undefined }
}
