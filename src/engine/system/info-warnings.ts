// Warnings of `info`: what the host cannot do, and what its owner may not have meant.
import type { EngineConfig } from '../config.ts'
import { parseListenAddress } from '../http/listen-address.ts'
import type { CgroupFacts } from './cgroup-facts.ts'
import { isSysctlOn } from './host-facts.ts'

const ROOT_ACCESS = `
         Access to the remote API is equivalent to root access on the host. Refer
         to the 'Docker daemon attack surface' section in the documentation for
         more information: https://docs.docker.com/go/attack-surface/
In future versions this will be a hard failure preventing the daemon from starting! Learn more at: https://docs.docker.com/go/api-security/`

const THROTTLES = {
  1: ['read_bps', 'write_bps', 'read_iops', 'write_iops'].map((what) => `blkio throttle.${what}_device`),
  2: ['rbps', 'wbps', 'riops', 'wiops'].map((what) => `io.max (${what})`),
}

/** Null where there are none, as Go writes it. */
export function infoWarnings(config: EngineConfig, cgroups: CgroupFacts): string[] | null {
  const lacking = [
    [cgroups.memory, 'memory limit'],
    [cgroups.swap, 'swap limit'],
    [cgroups.oomKillDisable || cgroups.version === '2', 'oom kill disable'],
    [cgroups.cpuQuota, 'cpu cfs quota'],
    [cgroups.cpuQuota, 'cpu cfs period'],
    [cgroups.cpuShares, 'cpu shares'],
    [cgroups.cpuset, 'cpuset'],
    ...THROTTLES[cgroups.version].map((what) => [cgroups.blkioThrottle, what] as const),
  ] as const
  const found = [
    ...config.hosts.flatMap((host) => remoteWarning(host, config)),
    ...lacking.flatMap(([isThere, what]) => (isThere ? [] : [`WARNING: No ${what} support`])),
    ...(isSysctlOn('net.ipv4.ip_forward') ? [] : ['WARNING: IPv4 forwarding is disabled']),
    ...(config.seccompProfile === 'builtin' ? [] : ['WARNING: daemon is not using the default seccomp profile']),
  ]
  return found.length === 0 ? null : found
}

function remoteWarning(host: string, { tls }: EngineConfig): string[] {
  if (parseListenAddress(host).kind !== 'tcp' || (tls.isOn === true && tls.verifiesClients)) return []
  const [scheme, lack] = tls.isOn ? ['https', 'TLS client verification'] : ['http', 'encryption']
  return [`[DEPRECATION NOTICE]: API is accessible on ${scheme}://${host.slice(6)} without ${lack}.${ROOT_ACCESS}`]
}
