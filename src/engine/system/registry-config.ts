// RegistryConfig of `info`: mirrors, and the registries that may be spoken to without TLS.
import type { EngineConfig } from '../config.ts'

/** Always insecure, whatever the configuration says: loopback. */
const LOOPBACK = ['::1/128', '127.0.0.0/8']

export function registryConfig(config: EngineConfig): object {
  const isCidr = (text: string) => /\/\d{1,3}$/.test(text)
  const hosts = config.insecureRegistries.filter((registry) => !isCidr(registry))
  const mirrors = config.registryMirrors.map((mirror) => (mirror.endsWith('/') ? mirror : `${mirror}/`))
  const index = (name: string, official: boolean) => ({
    Name: name,
    Mirrors: official ? mirrors : [],
    Secure: official,
    Official: official,
  })
  return {
    AllowNondistributableArtifactsCIDRs: null,
    AllowNondistributableArtifactsHostnames: null,
    InsecureRegistryCIDRs: [...LOOPBACK, ...config.insecureRegistries.filter(isCidr)],
    IndexConfigs: Object.fromEntries([
      ['docker.io', index('docker.io', true)],
      ...hosts.map((host) => [host, index(host, false)] as const),
    ]),
    Mirrors: mirrors,
  }
}
