// Namespaces of others that a restored container goes back into.
import { closeSync, openSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import type { Fd } from '../../linux/kernel.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { type Criu, requireExternalNamespace } from './criu-program.ts'

export interface JoinedNamespaces extends Disposable {
  /** Network and PID namespaces go by descriptor, which criu inherits. */
  descriptors: readonly Fd[]
  kinds: readonly ('net' | 'pid')[]
  /** All others criu opens itself. */
  joined: readonly { type: string; path: string }[]
}

const CRIU_NAME = { ipc: 'ipc', uts: 'uts', mount: 'mnt', user: 'user', time: 'time' } as const

/** Open until disposed of. Throws Failure in runc's words. */
export function openNamespaces(criu: Criu, { linux }: RuntimeSpec): JoinedNamespaces {
  const descriptors: Fd[] = []
  const kinds: ('net' | 'pid')[] = []
  const joined: { type: string; path: string }[] = []
  const close = () => {
    for (const fd of descriptors) closeSync(fd)
  }
  try {
    for (const { type, path } of linux?.namespaces ?? []) {
      if (!path) continue
      if (type === 'cgroup') throw new Failure('invalid-argument', 'Do not know how to handle namespace NEWCGROUP')
      if (type === 'network' || type === 'pid') {
        const kind = type === 'network' ? 'net' : 'pid'
        requireExternalNamespace(criu, kind, 'during the restoration process')
        descriptors.push(openNamespace(path))
        kinds.push(kind)
      } else joined.push({ type: CRIU_NAME[type], path })
    }
  } catch (error) {
    close()
    throw error
  }
  return { descriptors, kinds, joined, [Symbol.dispose]: close }
}

function openNamespace(path: string): Fd {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw new Failure('not-found', `Requested network namespace ${path} does not exist`, { cause: error })
  }
}
