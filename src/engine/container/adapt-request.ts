// What a create or update request of an older client means: fields that its API version does not have are as if they had not been sent.
import type { ContainerCreateRequest, HostConfig } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'
import type { ApiVersion } from '../http/route.ts'

/** A new value. Throws invalid-argument for what such a version refuses. */
export function adaptRequest(
  request: ContainerCreateRequest,
  version: ApiVersion,
  facts: { cgroupVersion: 1 | 2 },
): ContainerCreateRequest {
  const hostConfig = dropForeignFields({ ...request.HostConfig }, version)
  if (!version.atLeast('1.25')) hostConfig.AutoRemove = false // such clients remove the container themselves
  if (!version.atLeast('1.40') && !hostConfig.IpcMode) hostConfig.IpcMode = 'shareable'
  if (!version.atLeast('1.41') && facts.cgroupVersion === 1 && !hostConfig.CgroupnsMode)
    hostConfig.CgroupnsMode = 'host'
  const names = Object.keys(request.NetworkingConfig?.EndpointsConfig ?? {})
  if (!version.atLeast('1.44') && names.length > 1)
    throw new Failure(
      'invalid-argument',
      `Container cannot be created with multiple network endpoints: ${names.join(', ')}`,
    )
  const adapted: ContainerCreateRequest = { ...request, HostConfig: hostConfig }
  if (request.Healthcheck != null && !version.atLeast('1.44'))
    adapted.Healthcheck = { ...request.Healthcheck, StartInterval: 0 }
  return adapted
}

/** The part that create and update share. */
export function adaptUpdate(changes: HostConfig, version: ApiVersion): HostConfig {
  const adapted = { ...changes }
  if (!version.atLeast('1.40')) delete adapted.PidsLimit
  if (version.atLeast('1.42')) delete adapted.KernelMemory
  return adapted
}

function dropForeignFields(hostConfig: HostConfig, version: ApiVersion): HostConfig {
  if (version.atLeast('1.42')) delete hostConfig.KernelMemory
  if (!version.atLeast('1.40') || version.atLeast('1.52')) delete hostConfig.KernelMemoryTCP
  if (!version.atLeast('1.40')) delete hostConfig.DeviceRequests
  if (!version.atLeast('1.42')) hostConfig.ConsoleSize = [0, 0]
  if (!version.atLeast('1.43')) delete hostConfig.Annotations
  return hostConfig
}

/** What a request gets a warning for in its version only. */
export function versionWarnings(request: ContainerCreateRequest, version: ApiVersion): string[] {
  const warnings: string[] = []
  const { VolumeDriver: driver, Mounts: mounts } = request.HostConfig ?? {}
  const isIgnored = (mounts ?? []).some(
    ({ Type, VolumeOptions }) => Type === 'volume' && !VolumeOptions?.DriverConfig?.Name,
  )
  if (driver && version.atLeast('1.48') && isIgnored)
    warnings.push(
      "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
    )
  if (request.MacAddress && version.atLeast('1.44'))
    warnings.push(
      'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.',
    )
  return warnings
}
