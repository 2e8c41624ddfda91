// Capability names, and which of them a container gets.
import { Failure } from '../../../base/failure.ts'

/** In the order of their numbers (linux/capability.h). */
export const CAPABILITIES = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`)

const DEFAULTS =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
    .split(' ')
    .map((name) => `CAP_${name}`)

const ALL = 'ALL'

/** The names whose bits are set, e.g. in the daemon's own permitted set. */
export function capabilityNames(mask: bigint): string[] {
  return CAPABILITIES.filter((_, number) => ((mask >> BigInt(number)) & 1n) === 1n)
}

export interface CapabilityRequest {
  add: readonly string[]
  drop: readonly string[]
  privileged: boolean
  /** What the daemon can hand on at all. */
  available: readonly string[]
}

/** Throws Failure('invalid-argument') for a name that no kernel knows, or that is asked for and can't be had. */
export function chooseCapabilities(request: CapabilityRequest): string[] {
  const add = normalizeCapabilities(request.add, 'CapAdd', request.available)
  const drop = normalizeCapabilities(request.drop, 'CapDrop', CAPABILITIES)
  if (request.privileged) return [...request.available]
  if (drop.includes(ALL)) return add.includes(ALL) ? [...request.available] : add
  const base = add.includes(ALL) ? request.available : DEFAULTS
  const kept = base.filter((name) => !drop.includes(name))
  // What is named in both lists is added, except where everything is.
  return add.includes(ALL) ? kept : [...new Set([...kept, ...add])]
}

function normalizeCapabilities(names: readonly string[], field: string, available: readonly string[]): string[] {
  return names.map((given) => {
    const upper = given.trim().toUpperCase()
    if (upper === ALL) return ALL
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`
    if (!CAPABILITIES.includes(name))
      throw new Failure('invalid-argument', `invalid ${field}: unknown capability: ${JSON.stringify(name)}`)
    if (!available.includes(name))
      throw new Failure(
        'invalid-argument',
        `invalid ${field}: capability not supported by your kernel or not available in the current environment: ${JSON.stringify(name)}`,
      )
    return name
  })
}
