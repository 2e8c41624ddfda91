// Bundles are closed to everybody (CVE-2021-41103): a root file system that is mounted in one has set-user-ID programs that nobody vouches for.
import { chmodSync, chownSync } from 'node:fs'

/** In a user namespace the container's root is somebody on the host who must be able to reach the root file system. `path`: a bundle that only its owner may enter. */
export function admitContainerRoot(
  path: string,
  gidMappings: readonly { containerID: number; hostID: number }[] | undefined,
): void {
  const gid = gidMappings?.find(({ containerID }) => containerID === 0)?.hostID ?? 0
  if (gid === 0) return
  chownSync(path, process.geteuid?.() ?? 0, gid)
  chmodSync(path, 0o710)
}
