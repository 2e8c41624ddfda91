// Capabilities by name and bit (capability.h).
import { readFileSync } from 'node:fs'

/** In the kernel's order: the index is the bit. */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const

const BIT = new Map<string, bigint>(CAPABILITIES.map((name, bit) => [name, 1n << BigInt(bit)]))

/** The bit mask of the names; a name this list does not have is passed over, as runc does. */
export function capabilityMask(names: readonly string[] | undefined): bigint {
  return (names ?? []).reduce((mask, name) => mask | (BIT.get(name) ?? 0n), 0n)
}

/** All bits up to and including `last`. */
export function allCapabilities(last: number): bigint {
  return (1n << BigInt(last + 1)) - 1n
}

/** What this process may hand on, and the newest capability its kernel knows. */
export function readOwnCapabilities(): { permitted: bigint; last: number } {
  const permitted = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return { permitted: BigInt(`0x${permitted}`), last: Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8')) }
}
