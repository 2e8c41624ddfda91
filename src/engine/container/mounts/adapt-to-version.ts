// What clients of older API versions mean by their mounts, and what they cannot say yet.
import type { HostConfig, Mount } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import type { ApiVersion } from '../../http/route.ts'

/** Changes `hostConfig`. Throws invalid-argument in Docker's words. */
export function adaptMountsToVersion(hostConfig: HostConfig, version: ApiVersion): void {
  for (const mount of hostConfig.Mounts ?? []) {
    if (version.atLeast('1.42')) checkOptions(mount)
    else forgetOptions(mount, version)
    const { BindOptions: bind, VolumeOptions: volume, Type: type } = mount
    if (!version.atLeast('1.44') && type === 'bind' && bind?.ReadOnlyForceRecursive === true)
      refuse('BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer')
    if (!version.atLeast('1.45') && volume?.Subpath) refuse('VolumeOptions.Subpath needs API v1.45 or newer')
    if (!version.atLeast('1.48') && type === 'image') refuse('Mount type "Image" needs API v1.48 or newer')
  }
}

const OPTIONS = [
  ['VolumeOptions', 'volume'],
  ['BindOptions', 'bind'],
  ['TmpfsOptions', 'tmpfs'],
] as const

function checkOptions(mount: Mount): void {
  for (const [field, type] of OPTIONS)
    if (mount[field] != null && mount.Type !== type)
      refuse(`${field} must not be specified on mount type ${JSON.stringify(mount.Type ?? '')}`)
}

/** Nobody looked at these then. */
function forgetOptions(mount: Mount, version: ApiVersion): void {
  if (mount.Type !== 'volume') delete mount.VolumeOptions
  if (mount.Type !== 'tmpfs') delete mount.TmpfsOptions
  if (mount.BindOptions == null) return
  delete mount.BindOptions.CreateMountpoint
  if (!version.atLeast('1.40')) delete mount.BindOptions.NonRecursive
}

function refuse(text: string): never {
  throw new Failure('invalid-argument', text)
}
