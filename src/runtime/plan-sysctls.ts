// sysctls, written through a procfs of our own that no mount of the image or the user can have covered.
import { Failure } from '../base/failure.ts'
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from '../linux/constants.ts'
import type { NamespaceType, RuntimeSpec } from '../oci/runtime-spec.ts'
import { isOwn } from './plan-namespaces.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

const IPC_KEYS = new Set(
  ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'].map((key) => `kernel/${key}`),
)

export function planSysctls(list: StepList, spec: RuntimeSpec): void {
  const sysctls = Object.entries(spec.linux?.sysctl ?? {})
  if (sysctls.length === 0) return
  list.add('mount a private procfs', {
    op: 'fs-mount',
    slot: SLOT.proc,
    fstype: 'proc',
    source: 'proc',
    options: [],
    attributes: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
  })
  for (const [key, value] of sysctls) {
    const path = `sys/${checkSysctl(spec, key)}`
    list.add(`open /proc/${path}`, { op: 'write-file', dir: SLOT.proc, path, data: checkValue(key, value) })
  }
  list.add('close the private procfs', { op: 'close', slot: SLOT.proc })
}

/** Only what belongs to a namespace that the container has for itself; everything else would change the host. */
function checkSysctl(spec: RuntimeSpec, key: string): string {
  const path = sysctlPath(key)
  const namespace: NamespaceType | undefined =
    IPC_KEYS.has(path) || path.startsWith('fs/mqueue/')
      ? 'ipc'
      : path.startsWith('net/')
        ? 'network'
        : path === 'kernel/domainname'
          ? 'uts'
          : undefined
  if (path === 'kernel/hostname')
    throw new Failure(
      'invalid-argument',
      `sysctl ${quoted(key)} is not allowed as it conflicts with the OCI "hostname" field`,
    )
  if (namespace === undefined || !isOwn(spec, namespace))
    throw new Failure('invalid-argument', `sysctl ${quoted(key)} is not in a separate kernel namespace`)
  return path
}

/** Dots and slashes may both separate; the one that comes first does (sysctl.d(5)), the other is part of a name like eth0.100. */
function sysctlPath(key: string): string {
  const slashed = /[./]/.exec(key)?.[0] === '/'
  const path = slashed ? key : key.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))
  const isPlain = /^[A-Za-z0-9_:.@*+-]+(?:\/[A-Za-z0-9_:.@*+-]+)+$/.test(path)
  if (!isPlain || path.split('/').some((part) => part === '.' || part === '..'))
    throw new Failure('invalid-argument', `sysctl ${quoted(key)} is not a valid key`)
  return path
}

/** One write, one line: procfs would take the rest of a longer text for further values, or ignore it. */
function checkValue(key: string, value: string): string {
  if (value.length > 4095 || /[\0\n]/.test(value))
    throw new Failure('invalid-argument', `sysctl ${quoted(key)} has an invalid value`)
  return value
}
