// sysctls, written through a procfs of our own that no mount of the image or the user can have covered.
import { Failure } from '../base/failure.ts'
import type { NamespaceType, RuntimeSpec } from '../oci/runtime-spec.ts'
import { isOwn } from './plan-namespaces.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

const IPC_KEYS = new Set(
  ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'].map((key) => `kernel/${key}`),
)

/** Wants a procfs in SLOT.proc. */
export function planSysctls(list: StepList, input: Input): void {
  for (const [key, value] of Object.entries(input.spec.linux?.sysctl ?? {})) {
    const path = `sys/${checkSysctl(input, key)}`
    list.add(`open /proc/${path}`, { op: 'write-file', dir: SLOT.proc, path, data: checkValue(key, value) })
  }
}

export function hasSysctls({ linux }: RuntimeSpec): boolean {
  return Object.keys(linux?.sysctl ?? {}).length > 0
}

/** Only what belongs to a namespace that the container has for itself; everything else would change the host. */
function checkSysctl({ spec, rootfs }: Input, key: string): string {
  const path = sysctlPath(key)
  const name = `sysctl ${quoted(key)}`
  const isShared = (type: NamespaceType) => !isOwn(spec, type) || rootfs.hostNamespaces?.has(type) === true
  if (IPC_KEYS.has(path) || path.startsWith('fs/mqueue/')) {
    if (isShared('ipc')) refuse(`${name} is not allowed in the hosts ipc namespace`)
  } else if (path.startsWith('net/')) {
    if (isShared('network')) refuse(`${name} not allowed in host network namespace`)
  } else if (path.startsWith('user/')) {
    if (isShared('user')) refuse(`setting ucounts without a user namespace not allowed: ${key}`)
  } else if (path === 'kernel/hostname') refuse(`${name} is not allowed as it conflicts with the OCI "hostname" field`)
  else if (path !== 'kernel/domainname' || isShared('uts')) refuse(`${name} is not in a separate kernel namespace`)
  return path
}

function refuse(message: string): never {
  throw new Failure('invalid-argument', `linux.sysctl: ${message}`)
}

/** Dots and slashes may both separate; the one that comes first does (sysctl.d(5)), the other is part of a name like eth0.100. */
function sysctlPath(key: string): string {
  const slashed = /[./]/.exec(key)?.[0] === '/'
  const path = slashed ? key : key.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))
  const isPlain = /^[A-Za-z0-9_:.@*+-]+(?:\/[A-Za-z0-9_:.@*+-]+)+$/.test(path)
  if (!isPlain || path.split('/').some((part) => part === '.' || part === '..'))
    refuse(`sysctl ${quoted(key)} is not a valid key`)
  return path
}

/** One write, one line: procfs would take the rest of a longer text for further values, or ignore it. */
function checkValue(key: string, value: string): string {
  if (value.length > 4095 || /[\0\n]/.test(value)) refuse(`sysctl ${quoted(key)} has an invalid value`)
  return value
}
