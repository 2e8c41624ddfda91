// The seccomp filter as a step, and what can be said against one before it is compiled.
import { Failure, isFailure } from '../base/failure.ts'
import { compileSeccomp } from '../linux/seccomp/compile-seccomp.ts'
import { filterFlags } from '../linux/seccomp/filter-flags.ts'
import type { SeccompSpec } from '../oci/runtime-spec.ts'
import type { HostFacts } from './plan-types.ts'
import type { StepList } from './step-list.ts'

export function planSeccomp(list: StepList, spec: SeccompSpec | undefined, host: HostFacts): void {
  if (spec === undefined) return
  const notifies = checkNotify(spec)
  checkErrnos(spec)
  // How to wait for a supervisor means nothing without one, and the kernel refuses it then.
  const flags = inField(() => filterFlags(spec)) & (notifies ? ~0 : ~WAIT_KILLABLE_RECV)
  list.add('error loading seccomp filter into kernel', {
    op: 'seccomp',
    flags: flags | (notifies ? NEW_LISTENER : 0),
    program: inField(() => compileSeccomp(spec, { arch: host.arch })),
  })
}

/** Says of which field a failure is. */
function inField<T>(compile: () => T): T {
  try {
    return compile()
  } catch (error) {
    throw isFailure(error) ? new Failure(error.code, `linux.seccomp: ${error.message}`, { cause: error }) : error
  }
}

const NEW_LISTENER = 1 << 3
const WAIT_KILLABLE_RECV = 1 << 5
const NOTIFY = 'SCMP_ACT_NOTIFY'

/** @returns whether the filter wants a supervisor, to whom its listener is sent. */
function checkNotify({ defaultAction, syscalls, listenerPath, listenerMetadata }: SeccompSpec): boolean {
  if (listenerMetadata && !listenerPath)
    refuse('listenerMetadata: must not be given without linux.seccomp.listenerPath')
  if (defaultAction === NOTIFY) refuse('defaultAction: SCMP_ACT_NOTIFY cannot be used as default action')
  const rules = (syscalls ?? []).filter(({ action }) => action === NOTIFY)
  if (rules.length === 0) return false
  // The listener's number is told by write(2), for which nobody could then answer.
  if (rules.some(({ names }) => names.includes('write')))
    refuse('syscalls: SCMP_ACT_NOTIFY cannot be used for the write syscall')
  if (!listenerPath) refuse('listenerPath: must be given where SCMP_ACT_NOTIFY is used')
  if (!listenerPath.startsWith('/')) refuse('listenerPath: must be an absolute path')
  return true
}

const WITH_ERRNO = new Set(['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE'])

function checkErrnos({ defaultAction, defaultErrnoRet, syscalls }: SeccompSpec): void {
  if (defaultErrnoRet !== undefined && !WITH_ERRNO.has(defaultAction))
    refuse(`defaultErrnoRet: action ${defaultAction} takes no errno`)
  for (const [index, { names, action, errnoRet }] of (syscalls ?? []).entries()) {
    if (names.length === 0) refuse(`syscalls[${index}].names: must have at least one entry`)
    if (errnoRet !== undefined && !WITH_ERRNO.has(action))
      refuse(`syscalls[${index}].errnoRet: action ${action} takes no errno`)
  }
}

function refuse(message: string): never {
  throw new Failure('invalid-argument', `linux.seccomp.${message}`)
}
