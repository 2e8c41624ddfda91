// Calls of i386 that have a door of their own and one through socketcall(2) or ipc(2), whose first argument says which is meant.
// A rule for such a call holds at both doors. Behind the second one most arguments are in memory, where no filter can look: of
// the rule's conditions the first argument's gives way to the call's number, as in libseccomp.
import type { Condition } from './conditions.ts'

interface Door {
  /** The call that stands for many. */
  through: 'socketcall' | 'ipc'
  condition: Condition
}

/** From 1 on, as in linux/net.h. */
const SOCKET_CALLS =
  `socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown
  setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg`.split(/\s+/)
/** linux/ipc.h. */
const IPC_CALLS: Readonly<Record<string, number>> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
}
/** The kernel takes the upper half of ipc's first argument for a version, so a rule that compared all of it could be walked around. */
const IPC_CALL_MASK = 0xffff

/** The second door of a call of i386, if it has one. */
export function secondDoor(name: string): Door | undefined {
  const socketCall = SOCKET_CALLS.indexOf(name) + 1
  if (socketCall > 0) return { through: 'socketcall', condition: { index: 0, value: socketCall, op: 'SCMP_CMP_EQ' } }
  const call = Object.hasOwn(IPC_CALLS, name) ? IPC_CALLS[name] : undefined
  if (call === undefined) return undefined
  return { through: 'ipc', condition: { index: 0, value: IPC_CALL_MASK, valueTwo: call, op: 'SCMP_CMP_MASKED_EQ' } }
}
