// Sysctls of an interface can be written only where the interface is. A network namespace that comes with its task has none yet.
import type { HostConfig } from '../../../api/container-types.ts'

const OF_INTERFACE = /^net[./]ipv[46][./](?:conf|neigh)[./]eth\d+[./]/

/** Those that have to wait for the interface. */
export function interfaceSysctls({ Sysctls }: HostConfig): Record<string, string> {
  return chosen(Sysctls, true)
}

/** Those that need none. */
export function otherSysctls({ Sysctls }: HostConfig): Record<string, string> {
  return chosen(Sysctls, false)
}

function chosen(sysctls: HostConfig['Sysctls'], isOfInterface: boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(sysctls ?? {}).filter(([name]) => OF_INTERFACE.test(name) === isOfInterface))
}
