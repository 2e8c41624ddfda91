// Directories one below the other, by descriptors: whoever may write there can't lead us elsewhere by a link meanwhile.
import { AT_SYMLINK_NOFOLLOW, O_DIRECTORY, O_NOFOLLOW, O_PATH } from '../../linux/constants.ts'
import type { Fd, Kernel } from '../../linux/kernel.ts'
import { hasErrno } from '../../linux/kernel-error.ts'
import type { Owner } from '../userns/id-map.ts'

const MODE = 0o755

/** What is there stays as it is; a link is no directory (ENOTDIR). @param owner of those that are made; undefined: root */
export function makeDirectoriesBelow(kernel: Kernel, root: Fd, parts: readonly string[], owner?: Owner): void {
  const opened: Fd[] = []
  try {
    for (const part of parts) opened.push(openOrMake(kernel, opened.at(-1) ?? root, part, owner))
  } finally {
    for (const fd of opened) kernel.close(fd)
  }
}

function openOrMake(kernel: Kernel, parent: Fd, name: string, owner: Owner | undefined): Fd {
  const open = () => kernel.openat2(parent, name, { flags: O_PATH | O_DIRECTORY | O_NOFOLLOW })
  try {
    return open()
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error
    kernel.mkdirat(parent, name, MODE)
    if (owner !== undefined) kernel.fchownat(parent, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW)
    return open()
  }
}
