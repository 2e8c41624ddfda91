// Handles for groups that systemd holds.
import { statSync } from 'node:fs'
import { Failure } from '../../../base/failure.ts'
import type { Cgroup } from '../cgroup.ts'
import { annotationProperties } from './annotation-properties.ts'
import { Systemd } from './systemd-client.ts'
import { SystemdCgroup } from './systemd-cgroup.ts'
import { placeUnit } from './unit-name.ts'

interface UnitRequest {
  cgroupsPath: string | undefined
  id: string
  rootless: boolean
  annotations?: Readonly<Record<string, string>>
}

/** `path`: where systemd will put the group. `wrap` makes the unit's handle of the group's. */
export async function openSystemdUnit(
  { cgroupsPath, id, rootless: isUser, annotations }: UnitRequest,
  version: 1 | 2,
): Promise<{ path: string; wrap(group: Cgroup): Cgroup }> {
  requireSystemd()
  if (isUser && version === 1)
    throw new Failure('failed-precondition', 'cannot use rootless systemd cgroups manager on cgroup v1')
  const { unit, slice, path } = placeUnit(cgroupsPath ?? '', id, isUser)
  const extra = annotationProperties(annotations)
  return {
    path: `${isUser ? await userGroup() : ''}${path}`,
    wrap: (group) => new SystemdCgroup(group, { id, unit, slice, isUser, extra }),
  }
}

/** sd_booted(3) */
function requireSystemd(): void {
  if (statSync('/run/systemd/system', { throwIfNoEntry: false })?.isDirectory()) return
  throw new Failure('failed-precondition', 'systemd not running on this host, cannot use systemd cgroups manager')
}

/** A user's units are below his manager, `/user.slice/user-1000.slice/user@1000.service`. */
async function userGroup(): Promise<string> {
  using systemd = await Systemd.open(true)
  const group = await systemd.controlGroup()
  return group === '/' ? '' : group
}
