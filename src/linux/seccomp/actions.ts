// What a filter answers: the OCI names of actions to SECCOMP_RET_* values (linux/seccomp.h).
import { Failure } from '../../base/failure.ts'

const RETURN_ALLOW = 0x7fff_0000
const RETURN_LOG = 0x7ffc_0000
export const RETURN_KILL_THREAD = 0
export const RETURN_ERRNO = 0x0005_0000

const EPERM = 1
const DATA_MAX = 0xffff // SECCOMP_RET_DATA

export const ACTIONS: Readonly<Record<string, { value: number; data: boolean }>> = {
  SCMP_ACT_KILL: { value: RETURN_KILL_THREAD, data: false },
  SCMP_ACT_KILL_THREAD: { value: RETURN_KILL_THREAD, data: false },
  SCMP_ACT_KILL_PROCESS: { value: 0x8000_0000, data: false },
  SCMP_ACT_TRAP: { value: 0x0003_0000, data: false },
  SCMP_ACT_ERRNO: { value: RETURN_ERRNO, data: true },
  SCMP_ACT_NOTIFY: { value: 0x7fc0_0000, data: false },
  SCMP_ACT_TRACE: { value: 0x7ff0_0000, data: true },
  SCMP_ACT_LOG: { value: RETURN_LOG, data: false },
  SCMP_ACT_ALLOW: { value: RETURN_ALLOW, data: false },
}

/** ERRNO and TRACE carry a number, EPERM unless one is given. Throws Failure('invalid-argument') for an unknown name. */
export function returnValue(action: string, errnoRet: number | undefined): number {
  const known = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
  if (known === undefined) throw new Failure('invalid-argument', `string ${action} is not a valid action for seccomp`)
  if (!known.data) return known.value
  const data = errnoRet ?? EPERM
  if (!Number.isInteger(data) || data < 0 || data > DATA_MAX)
    throw new Failure('invalid-argument', `seccomp errnoRet ${data} is out of range`)
  return known.value + data
}
