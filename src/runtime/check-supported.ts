// What a spec may ask for and this runtime does not do. Saying so beats a container that silently lacks what its owner relies on.
import { Failure } from '../base/failure.ts'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'

export function checkSupported(spec: RuntimeSpec): void {
  for (const [name, hooks] of Object.entries(spec.hooks ?? {}))
    if (hooks.length > 0) refuse(`hooks.${name}`, 'hooks are not supported')
  const { linux } = spec
  if (linux?.uidMappings?.length || linux?.gidMappings?.length)
    refuse('linux.uidMappings', 'id mappings are not supported')
  if (linux?.mountLabel) refuse('linux.mountLabel', 'SELinux is not supported')
  if (spec.process !== undefined) checkSupportedProcess(spec.process)
}

export function checkSupportedProcess(process: ProcessSpec): void {
  if (process.apparmorProfile && process.apparmorProfile !== 'unconfined')
    refuse('process.apparmorProfile', `apparmor profile ${process.apparmorProfile}: apparmor is not supported`)
  if (process.selinuxLabel) refuse('process.selinuxLabel', 'SELinux is not supported')
}

function refuse(field: string, reason: string): never {
  throw new Failure('unimplemented', `${field}: ${reason}`)
}
