// `DeviceRequests` of a container: CDI is the one driver of devices that there is.
import type { DeviceRequest } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { injectDevices } from './inject-devices.ts'
import { loadRegistry } from './registry.ts'

const DRIVER = 'cdi'

/** A new spec. Throws Docker's words for what no driver can give. `directories`: of spec files, the last counts most; none turns CDI off. */
export function handleDeviceRequests(
  spec: RuntimeSpec,
  requests: readonly DeviceRequest[],
  directories: readonly string[],
): RuntimeSpec {
  let edited = spec
  for (const request of requests) {
    if (request.Driver !== DRIVER || directories.length === 0) throw incompatible(request)
    if ((request.Count ?? 0) !== 0) throw new Failure('invalid-argument', 'unexpected count in CDI device request')
    if (Object.keys(request.Options ?? {}).length > 0)
      throw new Failure('invalid-argument', 'unexpected options in CDI device request')
    const names = request.DeviceIDs ?? []
    if (names.length > 0) edited = injectDevices(edited, names, loadRegistry(directories))
  }
  return edited
}

function incompatible({ Driver = '', Capabilities }: DeviceRequest): Failure {
  const sets = (Capabilities ?? []).map((names) => `[${names.join(' ')}]`)
  return new Failure(
    'unknown',
    `could not select device driver ${JSON.stringify(Driver)} with capabilities: [${sets.join(' ')}]`,
  )
}
