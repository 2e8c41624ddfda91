// Where a repository is asked for, by all that the administrator has said: the daemon's settings, and what `certs.d` holds for its registry.
import { Failure } from '../../base/failure.ts'
import type { Reference } from '../../oci/reference.ts'
import { hasHostsFile, loadCertificates } from './certs-directory.ts'
import { type Endpoint, endpointOf, endpointsOf, isInsecure } from './endpoint.ts'
import { type Capability, loadHosts, type RegistryHost } from './hosts-directory.ts'

export interface RegistryConfig {
  /** host[:port] patterns and CIDRs that may be spoken to without TLS, or with certificates that nobody vouches for; loopback always may. */
  insecureRegistries: readonly string[]
  /** Of Docker Hub. */
  mirrors: readonly string[]
  /** A directory per registry: `certs.d`. Left out: none. */
  certsDirectory?: string
}

export interface PullEndpoint extends Endpoint {
  /** May say what a reference stands for; who may not is asked for what is known by its digest. */
  resolves: boolean
}

/**
 * In the order in which they are asked; the registry itself is the last. A `hosts.toml` says all of it, and the daemon's mirrors are not asked then.
 * Throws `invalid-argument` for one that can't be read: asking the registry itself instead would be what it was to prevent.
 */
export async function pullEndpoints(reference: Reference, config: RegistryConfig): Promise<PullEndpoint[]> {
  const { certsDirectory } = config
  const plain = endpointsOf(reference, config).map((endpoint) => ({ ...endpoint, resolves: true }))
  if (certsDirectory === undefined) return plain
  if (await hasHostsFile(certsDirectory, reference.domain)) {
    // What a tag stands for is told by those who may say so.
    const wanted: Capability = reference.digest === undefined ? 'resolve' : 'pull'
    const hosts = await configuredHosts(reference.domain, certsDirectory, config.insecureRegistries)
    const able = hosts
      .filter(({ capabilities }) => capabilities.has('pull'))
      .map((host) => ({ ...host, resolves: host.capabilities.has(wanted) }))
    if (able.some(({ resolves }) => resolves)) return able
    throw new Failure('not-found', `no ${wanted} hosts for ${reference.domain}: not found`)
  }
  return Promise.all(plain.map((endpoint) => withCertificates(endpoint, certsDirectory)))
}

/** The first that may be pushed to. */
export async function pushEndpoint(domain: string, config: Omit<RegistryConfig, 'mirrors'>): Promise<Endpoint> {
  const { certsDirectory, insecureRegistries } = config
  if (certsDirectory === undefined) return endpointOf(domain, insecureRegistries)
  if (await hasHostsFile(certsDirectory, domain)) {
    const hosts = await configuredHosts(domain, certsDirectory, insecureRegistries)
    const able = hosts.find(({ capabilities }) => capabilities.has('push'))
    if (able !== undefined) return able
    throw new Failure('not-found', `no push hosts for ${domain}: not found`)
  }
  return withCertificates(endpointOf(domain, insecureRegistries), certsDirectory)
}

/** With what `certs.d` has for its host. */
export async function withCertificates<E extends Endpoint>(endpoint: E, certsDirectory: string): Promise<E> {
  const tls = await loadCertificates(certsDirectory, endpoint.host)
  return tls === undefined ? endpoint : { ...endpoint, tls }
}

async function configuredHosts(
  domain: string,
  directory: string,
  insecureRegistries: readonly string[],
): Promise<RegistryHost[]> {
  const hosts = await loadHosts(domain, {
    directory,
    defaultScheme: '',
    warn: (text) => {
      throw new Failure('invalid-argument', text)
    },
  })
  return hosts.map((host) => {
    if (!isInsecure(host.host, insecureRegistries)) return host
    const schemes: Endpoint['schemes'] = host.schemes[0] === 'http' ? ['http'] : ['https', 'http']
    return { ...host, insecure: true, schemes }
  })
}
