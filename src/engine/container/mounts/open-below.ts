// A subpath of a volume or an image. Whoever writes there may exchange directories for links at any moment, so that it is opened once, by the kernel,
// and no name of it is used again.
import { Failure } from '../../../base/failure.ts'
import {
  AT_FDCWD,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from '../../../linux/constants.ts'
import { errnoText, hasErrno, KernelError } from '../../../linux/kernel-error.ts'
import type { Fd, Kernel } from '../../../linux/kernel.ts'

/** An O_PATH descriptor, which the caller closes. Throws Docker's errors: not-found for links, too, and invalid-argument for a way out. */
export function openBelow(kernel: Kernel, base: string, subpath: string): Fd {
  const root = kernel.openat2(AT_FDCWD, base, { flags: O_PATH | O_DIRECTORY })
  try {
    return kernel.openat2(root, subpath, {
      flags: O_PATH,
      resolve: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    })
  } catch (error) {
    if (hasErrno(error, 'EXDEV'))
      throw new Failure(
        'invalid-argument',
        `path concatenation escapes the base directory, base: ${base}, subpath: ${subpath}`,
      )
    if (error instanceof KernelError && hasErrno(error, 'ENOENT', 'ELOOP'))
      throw new Failure('not-found', `cannot access path ${base}/${subpath}: ${errnoText(error.errno)}`)
    throw error
  } finally {
    kernel.close(root)
  }
}
