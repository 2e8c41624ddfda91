// The five capability sets of a process as bit masks.
import { allCapabilities, capabilityMask } from '../linux/caps/capabilities.ts'
import type { ProcessSpec } from '../oci/runtime-spec.ts'
import type { HostFacts } from './plan-types.ts'

export interface CapabilityPlan {
  bounding: bigint
  sets: { effective: bigint; permitted: bigint; inheritable: bigint }
  ambient: bigint
}

/**
 * Without sets in the spec the process gets none. What this host does not have to give (an older kernel, a confined daemon) is left out, so that
 * a privileged container gets all there is instead of failing for one that is missing.
 */
export function planCapabilities(
  spec: ProcessSpec['capabilities'],
  host: HostFacts,
  hasUserNamespace: boolean,
): CapabilityPlan {
  const available = availableCapabilities(host, hasUserNamespace)
  const mask = (names: readonly string[] | undefined) => capabilityMask(names) & available
  const permitted = mask(spec?.permitted)
  const inheritable = mask(spec?.inheritable)
  return {
    bounding: mask(spec?.bounding),
    // The kernel refuses what is effective but not permitted, and ambient ones that are not both permitted and inheritable.
    sets: { effective: mask(spec?.effective) & permitted, permitted, inheritable },
    ambient: mask(spec?.ambient) & permitted & inheritable,
  }
}

/** A user namespace's first process has all of them in it, whatever its maker had. */
function availableCapabilities(host: HostFacts, hasUserNamespace: boolean): bigint {
  const known = allCapabilities(host.lastCapability)
  return hasUserNamespace ? known : host.capabilities & known
}

/** For the log (config.md, "Linux Process"). */
export function missingCapabilities(
  spec: ProcessSpec['capabilities'],
  host: HostFacts,
  hasUserNamespace: boolean,
): string[] {
  const available = availableCapabilities(host, hasUserNamespace)
  const names = new Set(Object.values(spec ?? {}).flat())
  return [...names].filter((name) => (capabilityMask([name]) & available) === 0n).sort()
}
