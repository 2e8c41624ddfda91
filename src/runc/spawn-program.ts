// Another program as a child of this one, by posix_spawn(3): with exactly the descriptors it is to have, and nobody else waiting for it.
import { KernelError } from '../linux/kernel-error.ts'
import type { Fd } from '../linux/kernel.ts'
import { addressOf, libcIntFunction } from '../linux/libc.ts'

const POSIX_SPAWN_SETPGROUP = 0x02
const POSIX_SPAWN_SETSIGDEF = 0x04
const POSIX_SPAWN_SETSIGMASK = 0x08
/** Larger than glibc's and musl's types for spawning. */
const OPAQUE_SIZE = 512
const SIGNAL_SET_SIZE = 128

const c = {
  spawn: libcIntFunction('posix_spawn', 'ptr', 'str', 'ptr', 'ptr', 'ptr', 'ptr'),
  initActions: libcIntFunction('posix_spawn_file_actions_init', 'ptr'),
  addDup2: libcIntFunction('posix_spawn_file_actions_adddup2', 'ptr', 'int', 'int'),
  destroyActions: libcIntFunction('posix_spawn_file_actions_destroy', 'ptr'),
  initAttributes: libcIntFunction('posix_spawnattr_init', 'ptr'),
  setFlags: libcIntFunction('posix_spawnattr_setflags', 'ptr', 'int'),
  setDefaults: libcIntFunction('posix_spawnattr_setsigdefault', 'ptr', 'ptr'),
}

export interface SpawnRequest {
  /** Path. */
  program: string
  argv: readonly string[]
  environment: readonly string[]
  /** Ours, and which number each has there; all others close themselves. */
  descriptors: readonly (readonly [ours: Fd, theirs: Fd])[]
  ownGroup: boolean
  /** For errors. */
  name: string
}

/** Returns the pid. Throws KernelError. */
export function spawnProgram({ program, argv, environment, descriptors, ownGroup, name }: SpawnRequest): number {
  const [pid, actions, attributes] = [new Int32Array(1), Buffer.alloc(OPAQUE_SIZE), Buffer.alloc(OPAQUE_SIZE)]
  const [words, variables] = [cStrings(argv), cStrings(environment)]
  const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (ownGroup ? POSIX_SPAWN_SETPGROUP : 0)
  requireDone(c.initActions(actions), name)
  requireDone(c.initAttributes(attributes), name)
  try {
    // The runtime below us ignores some signals; nobody's container should.
    requireDone(c.setDefaults(attributes, Buffer.alloc(SIGNAL_SET_SIZE, 0xff)), name)
    requireDone(c.setFlags(attributes, flags), name)
    for (const [from, to] of withoutClashes(descriptors)) requireDone(c.addDup2(actions, from, to), name)
    requireDone(c.spawn(pid, program, actions, attributes, words.pointers, variables.pointers), name)
    return pid[0] ?? 0
  } finally {
    c.destroyActions(actions)
  }
}

/** Where one's new number is another's old one, all move out of the way first; those copies close themselves as the program begins. */
function withoutClashes(descriptors: SpawnRequest['descriptors']): SpawnRequest['descriptors'] {
  const clashes = descriptors.some(
    ([ours, theirs]) => ours !== theirs && descriptors.some(([other]) => other === theirs),
  )
  if (!clashes) return descriptors
  const free = Math.max(...descriptors.flat()) + 1
  return [
    ...descriptors.map(([ours], index) => [ours, free + index] as const),
    ...descriptors.map(([, theirs], index) => [free + index, theirs] as const),
  ]
}

function cStrings(texts: readonly string[]): { pointers: Uint8Array; kept: readonly Buffer[] } {
  const kept = texts.map((text) => Buffer.from(`${text}\0`))
  return { pointers: new Uint8Array(new BigUint64Array([...kept.map(addressOf), 0n]).buffer), kept }
}

/** The calls of posix_spawn return the errno instead of setting it. */
function requireDone(error: number, program: string): void {
  if (error !== 0) throw new KernelError('posix_spawn', program, error)
}
