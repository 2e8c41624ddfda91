// AppArmor profiles and SELinux labels, written through a procfs of our own that nothing of the container can have covered.
import { Failure } from '../base/failure.ts'
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, O_DIRECTORY, O_PATH } from '../linux/constants.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import type { HostFacts } from './plan-types.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

/** What the host cannot do is refused: a container must not run without what its owner relies on. */
export function checkLabels(spec: RuntimeSpec, process: ProcessSpec, host: HostFacts): void {
  if (hasProfile(process) && host.hasAppArmor !== true)
    refuse(`process.apparmorProfile: ${quoted(process.apparmorProfile ?? '')}: apparmor is not enabled on this host`)
  if (/[\0\n]/.test(process.apparmorProfile ?? '')) refuse('process.apparmorProfile: must be one line')
  if (process.selinuxLabel && host.hasSelinux !== true)
    refuse('process.selinuxLabel: selinux label is specified in config, but selinux is disabled or not supported')
  if (spec.linux?.mountLabel && host.hasSelinux !== true)
    refuse('linux.mountLabel: selinux label is specified in config, but selinux is disabled or not supported')
}

export function needsLabels(process: ProcessSpec): boolean {
  return hasProfile(process) || Boolean(process.selinuxLabel)
}

/** Without AppArmor everything is unconfined. */
function hasProfile({ apparmorProfile }: ProcessSpec): boolean {
  return Boolean(apparmorProfile) && apparmorProfile !== 'unconfined'
}

/** The session keyring has the label of the process. */
export function planKeyLabel(list: StepList, { selinuxLabel }: ProcessSpec): void {
  if (selinuxLabel)
    list.add('set the label of new keys', { op: 'write-file', path: '/proc/self/attr/keycreate', data: selinuxLabel })
}

/** In effect with execve. Wants a procfs in SLOT.proc. */
export function planLabels(list: StepList, process: ProcessSpec): void {
  const dir = SLOT.proc
  if (hasProfile(process))
    list.add('unable to apply apparmor profile: apparmor failed to apply profile', {
      op: 'write-file',
      dir,
      path: 'self/attr/apparmor/exec',
      data: `exec ${process.apparmorProfile}`,
    })
  if (process.selinuxLabel)
    list.add("can't set process label", { op: 'write-file', dir, path: 'self/attr/exec', data: process.selinuxLabel })
}

/**
 * Into SLOT.proc. Who may not have one of his own (in a user namespace, with the host's processes in sight) gets the one that is mounted at
 * /proc, which is the host's still.
 */
export function planPrivateProcfs(list: StepList): void {
  const sentence = 'mount a private procfs'
  list.add(sentence, { op: 'open-host', slot: SLOT.proc, path: '/proc', flags: O_PATH | O_DIRECTORY })
  list.add(sentence, {
    op: 'fs-mount',
    slot: SLOT.proc,
    fstype: 'proc',
    source: 'proc',
    options: [],
    attributes: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
    skipOn: { errnos: [ERRNO.EPERM], skip: 0 },
  })
}

function refuse(message: string): never {
  throw new Failure('failed-precondition', message)
}
