// Descendants whose parent ends become ours instead of the system's: one that ends on its own account can be waited for.
import { PR_SET_CHILD_SUBREAPER } from '../linux/constants.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'

export function becomeSubreaper(): void {
  openNativeKernel().prctl(PR_SET_CHILD_SUBREAPER, 1n)
}
