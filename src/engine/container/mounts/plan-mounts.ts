// Which mounts a new container gets: those of other containers, `-v`, `Mounts`, and a volume for each path that image or user declare.
import type { ContainerConfig, HostConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import { generateId } from '../../../base/ids.ts'
import { parseBind, parseMount } from '../spec/parse-bind.ts'
import { cleanPath, type ContainerMount } from './container-mount.ts'

export interface MountPlanFacts {
  dataRoot: string
  /** Of a client that is older than recursively read-only binds (1.44). */
  isReadOnlyNonRecursive: boolean
}

/** Later ones win over earlier ones at one destination. Names are made up for anonymous volumes; nothing is made yet. Throws Docker's errors. */
export function planMounts(
  config: ContainerConfig,
  hostConfig: HostConfig,
  inherited: readonly ContainerMount[],
  facts: MountPlanFacts,
): ContainerMount[] {
  const plan = new Map(inherited.map((mount) => [mount.destination, mount]))
  const asked = new Set<string>()
  const tmpfs = new Set(Object.keys(hostConfig.Tmpfs ?? {}).map(checkTmpfsPath))
  const take = (mount: ContainerMount, givenAs: string): void => {
    if (asked.has(mount.destination)) throw duplicate(givenAs)
    asked.add(mount.destination)
    plan.set(mount.destination, complete(mount, facts))
  }
  for (const text of hostConfig.Binds ?? []) {
    const mount = parseBind(text, hostConfig.VolumeDriver ?? '')
    if (tmpfs.has(mount.destination)) throw duplicate(mount.destination)
    take({ ...mount, makesSource: mount.type === 'bind' }, mount.destination)
  }
  for (const request of hostConfig.Mounts ?? []) {
    const mount = parseMount(request)
    take({ ...mount, makesSource: request.BindOptions?.CreateMountpoint === true }, request.Target ?? '')
  }
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = cleanPath(path)
    if (!plan.has(destination) && !tmpfs.has(destination))
      plan.set(destination, declaredVolume(destination, hostConfig.VolumeDriver ?? ''))
  }
  return [...plan.values()]
}

function declaredVolume(destination: string, driver: string): ContainerMount {
  return {
    ...{ type: 'volume', name: generateId(), driver, source: '', destination, readWrite: true, mode: '' },
    ...{ propagation: '', copiesUp: true, makesSource: false, spec: {} },
  }
}

function complete(mount: ContainerMount, facts: MountPlanFacts): ContainerMount {
  if (mount.type === 'volume' && mount.name === '') return { ...mount, name: generateId() }
  if (mount.type !== 'bind') return mount
  const spec = mount.spec.BindOptions ?? {}
  const propagation = guardDataRoot(mount, facts.dataRoot)
  if (mount.readWrite || !facts.isReadOnlyNonRecursive) return { ...mount, propagation }
  return { ...mount, propagation, spec: { ...mount.spec, BindOptions: { ...spec, ReadOnlyNonRecursive: true } } }
}

/** A private copy of a mount of ours would keep it busy when we want to unmount it. */
function guardDataRoot({ spec, source, propagation }: ContainerMount, dataRoot: string): string {
  if (!source.startsWith(dataRoot) && !dataRoot.startsWith(source)) return propagation
  const asked = spec.BindOptions?.Propagation ?? ''
  if (asked === '') return 'rslave'
  if (asked === 'rslave' || asked === 'rshared') return asked
  throw new Failure(
    'invalid-argument',
    `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: ${JSON.stringify(dataRoot)}, bind mount source: ${JSON.stringify(source)}, propagation: ${JSON.stringify(asked)}`,
  )
}

function checkTmpfsPath(path: string): string {
  const clean = cleanPath(path)
  if (clean === '/') throw new Failure('invalid-argument', "invalid specification: destination can't be '/'")
  if (!path.startsWith('/'))
    throw new Failure('invalid-argument', `invalid mount path: '${path}' mount path must be absolute`)
  return clean
}

function duplicate(destination: string): Failure {
  return new Failure('invalid-argument', `Duplicate mount point: ${destination}`)
}
