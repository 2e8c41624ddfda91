// `--volumes-from`: what other containers have mounted, taken over as it is when the container is created.
import type { HostConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import type { Engine } from '../../engine.ts'
import type { Container } from '../container.ts'
import { isBindMode, PROPAGATIONS } from '../spec/parse-bind.ts'
import type { ContainerMount } from './container-mount.ts'

/** A later one wins over an earlier one at the same destination. Throws invalid-argument, also where there is no such container. */
export function inheritMounts(engine: Pick<Engine, 'containers'>, hostConfig: HostConfig): ContainerMount[] {
  const inherited = new Map<string, ContainerMount>()
  for (const text of hostConfig.VolumesFrom ?? []) {
    const { source, readOnly } = parseVolumesFrom(engine, text)
    for (const mount of source.record.mountPoints)
      inherited.set(mount.destination, {
        ...mount,
        readWrite: mount.readWrite && !readOnly,
        mode: '',
        // It has content already, or was meant to have none.
        copiesUp: false,
      })
  }
  return [...inherited.values()]
}

/** `name` or `name:ro`. How mounts propagate, and what a volume starts with, is the other container's affair. */
function parseVolumesFrom(engine: Pick<Engine, 'containers'>, text: string): { source: Container; readOnly: boolean } {
  const [name = '', mode = ''] = text.split(/:(.*)/s)
  if (text === '') throw new Failure('invalid-argument', 'volumes-from specification cannot be an empty string')
  const options = mode.split(',')
  if (!isBindMode(mode) || options.includes('nocopy') || PROPAGATIONS.some((word) => options.includes(word)))
    throw new Failure('invalid-argument', `invalid mode: ${mode}`)
  const source = engine.containers.find(name)
  if (source === undefined) throw new Failure('invalid-argument', `No such container: ${name}`)
  return { source, readOnly: options.includes('ro') }
}
