// Runs a program that ends within a millisecond, by posix_spawn(3): Node's child_process costs several times as much.
import { ERRNO, KernelError } from '../linux/kernel-error.ts'
import { addressOf, cString, errno, libcIntFunction } from '../linux/libc.ts'

/** Larger than posix_spawn_file_actions_t of any C library. */
const ACTIONS_SIZE = 512
const STDERR = 2
const PASSED_FD = 3
const EXIT_SIGNAL_BASE = 128

const posixSpawn = libcIntFunction('posix_spawn', 'ptr', 'str', 'ptr', 'ptr', 'ptr', 'ptr')
const initActions = libcIntFunction('posix_spawn_file_actions_init', 'ptr')
const destroyActions = libcIntFunction('posix_spawn_file_actions_destroy', 'ptr')
const addDup2 = libcIntFunction('posix_spawn_file_actions_adddup2', 'ptr', 'int', 'int')
const waitpid = libcIntFunction('waitpid', 'int', 'ptr', 'int')

/**
 * Blocks until the program ends; returns its exit status, 128 + signal where it was killed. Its environment is empty.
 * @param name what a failure calls the program.
 * @param passed a descriptor that it gets as number 3; every other one of this process closes itself (O_CLOEXEC).
 */
export function runProgram(
  program: string,
  argv: readonly string[],
  passed: number | undefined,
  name = program,
): number {
  const pid = new Int32Array(1)
  const actions = Buffer.alloc(ACTIONS_SIZE)
  const texts = argv.map((argument) => Buffer.from(`${cString(argument, 'posix_spawn')}\0`))
  const pointers = new BigUint64Array([...texts.map(addressOf), 0n])
  requireSpawned(initActions(actions), name)
  try {
    requireSpawned(addDup2(actions, STDERR, STDERR), name) // it may complain; Node closes its own standard streams on exec
    if (passed !== undefined) requireSpawned(addDup2(actions, passed, PASSED_FD), name)
    const path = cString(program, 'posix_spawn')
    requireSpawned(posixSpawn(pid, path, actions, null, bytesOf(pointers), bytesOf(new BigUint64Array(1))), name)
  } finally {
    destroyActions(actions)
  }
  return waitFor(pid[0] ?? 0, name)
}

function bytesOf(pointers: BigUint64Array): Uint8Array {
  return new Uint8Array(pointers.buffer)
}

/** The calls of posix_spawn return the errno instead of setting it. */
function requireSpawned(error: number, program: string): void {
  if (error !== 0) throw new KernelError('posix_spawn', program, error)
}

function waitFor(pid: number, program: string): number {
  const status = new Int32Array(1)
  while (waitpid(pid, status, 0) < 0) if (errno() !== ERRNO.EINTR) throw new KernelError('waitpid', program, errno())
  const bits = status[0] ?? 0
  const signal = bits & 0x7f
  return signal === 0 ? (bits >> 8) & 0xff : EXIT_SIGNAL_BASE + signal
}
