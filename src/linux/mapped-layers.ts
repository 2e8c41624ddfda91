// overlayfs maps nothing itself: its lower layers are seen through one mapped, detached mount of the directory that they share (Linux 6.15).
import { Failure } from '../base/failure.ts'
import { OPEN_TREE_CLONE } from './constants.ts'
import { AT_FDCWD, type Fd, type Kernel } from './kernel.ts'
import { mapIdsOf } from './user-namespace.ts'

/** `act` gets the same layers by paths that are good while it runs. Throws Failure where they share no directory. */
export function withMappedLayers<T>(
  kernel: Kernel,
  layers: readonly string[],
  userNamespace: Fd,
  act: (paths: readonly string[]) => T,
): T {
  const shared = sharedDirectory(layers)
  const tree = kernel.openTree(AT_FDCWD, shared, OPEN_TREE_CLONE)
  try {
    mapIdsOf(kernel, tree, userNamespace)
    return act(layers.map((path) => `/proc/self/fd/${tree}${path.slice(shared.length)}`))
  } finally {
    kernel.close(tree)
  }
}

function sharedDirectory(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/'))
  const parts = first.slice(0, -1)
  const differs = parts.findIndex((part, index) => others.some((other) => other[index] !== part))
  const shared = (differs < 0 ? parts : parts.slice(0, differs)).join('/')
  if (shared === '') throw new Failure('invalid-argument', `invalid common directory: ${paths.join(':')}`)
  return shared
}
