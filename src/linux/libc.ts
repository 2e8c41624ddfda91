// The C library over the runtime's foreign function interface: functions are bound on their first call, since binding all of them costs
// a millisecond at start.
import type { ArgumentType, ForeignFunctions, NativeFunction } from './ffi.ts'
import { openBunFfi } from './ffi-bun.ts'
import { openKoffi } from './ffi-koffi.ts'
import { ERRNO, KernelError } from './kernel-error.ts'

/** System calls that older C libraries have no name for; from 424 on the numbers are the same everywhere. */
export const SYSCALL = {
  pidfd_send_signal: 424,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_open: 434,
  openat2: 437,
  pidfd_getfd: 438,
  mount_setattr: 442,
  bpf: process.arch === 'arm64' ? 280 : 321,
  pivot_root: process.arch === 'arm64' ? 41 : 155,
} as const

let foreign: ForeignFunctions | undefined

function functions(): ForeignFunctions {
  foreign ??= process.versions.bun === undefined ? openKoffi() : openBunFfi()
  return foreign
}

/** A function of the C library, bound when it is first called. */
export function libcFunction(name: string, ...args: ArgumentType[]): NativeFunction {
  let bound: NativeFunction | undefined
  return (...values) => {
    bound ??= functions().bind(name, 'long', args)
    return bound(...values)
  }
}

/** The same for functions that return an int: its upper half in the register is not theirs to define. */
export function libcIntFunction(name: string, ...args: ArgumentType[]): NativeFunction {
  let bound: NativeFunction | undefined
  return (...values) => {
    bound ??= functions().bind(name, 'int', args)
    return bound(...values)
  }
}

/** A system call by number. */
export function systemCall(name: keyof typeof SYSCALL, ...args: ArgumentType[]): NativeFunction {
  const number = SYSCALL[name]
  let bound: NativeFunction | undefined
  return (...values) => {
    bound ??= functions().bind('syscall', 'long', ['long', ...args])
    return bound(number, ...values)
  }
}

export function errno(): number {
  return functions().errno()
}

export function addressOf(bytes: Uint8Array): bigint {
  return functions().addressOf(bytes)
}

/** The result, or the KernelError that it stands for. */
export function checked(result: number, call: string, target: string): number {
  if (result < 0) throw new KernelError(call, target, errno())
  return result
}

/** A string for the kernel. A NUL would silently cut it short, and another object would be acted on. */
export function cString(text: string, call: string): string {
  if (text.includes('\0')) throw new KernelError(call, JSON.stringify(text), ERRNO.EINVAL)
  return text
}
