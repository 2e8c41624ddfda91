// `--volumes-from`: what other containers have mounted, taken over as it is when the container is created.
import type { HostConfig, Mount } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container, VolumeMount } from './container.ts'
import { bindsAsMounts } from './mount-points.ts'
import { isBindMode } from './spec/parse-bind.ts'

export interface InheritedMounts {
  volumes: VolumeMount[]
  /** Binds and tmpfs mounts, in the form of `Mounts`. */
  mounts: Mount[]
}

/** A later one wins over an earlier one at the same destination. Throws invalid-argument, also where there is no such container. */
export function inheritMounts(engine: Engine, hostConfig: HostConfig): InheritedMounts {
  const volumes = new Map<string, VolumeMount>()
  const mounts = new Map<string, Mount>()
  for (const text of hostConfig.VolumesFrom ?? []) {
    const { source, readOnly } = parseVolumesFrom(engine, text)
    for (const volume of source.record.volumes) {
      mounts.delete(volume.destination)
      // It has content already, or was meant to have none.
      const inherited = { ...volume, readWrite: volume.readWrite && !readOnly, mode: '', noCopy: true }
      volumes.set(volume.destination, inherited)
    }
    for (const mount of otherMounts(source)) {
      const destination = mount.Target ?? ''
      volumes.delete(destination)
      mounts.set(destination, { ...mount, ReadOnly: mount.ReadOnly === true || readOnly })
    }
  }
  return { volumes: [...volumes.values()], mounts: [...mounts.values()] }
}

function otherMounts({ record }: Container): Mount[] {
  const asked = (record.hostConfig.Mounts ?? []).filter(({ Type }) => Type === 'bind' || Type === 'tmpfs')
  return [...(record.inheritedMounts ?? []), ...bindsAsMounts(record.hostConfig), ...asked]
}

/** `name` or `name:ro`. */
function parseVolumesFrom(engine: Engine, text: string): { source: Container; readOnly: boolean } {
  const [name = '', mode] = text.split(/:(.*)/s)
  if (name === '') throw new Failure('invalid-argument', 'volumes-from specification cannot be an empty string')
  if (mode !== undefined && !isBindMode(mode)) throw new Failure('invalid-argument', `invalid mode: ${mode}`)
  const source = engine.containers.find(name)
  if (source === undefined) throw new Failure('invalid-argument', `No such container: ${name}`)
  return { source, readOnly: mode?.split(',').includes('ro') === true }
}
