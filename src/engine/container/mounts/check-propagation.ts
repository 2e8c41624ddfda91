// Whether mounts can travel between a bind's source and the container as its user wants: that is up to the mount which the source is on.
import { realpathSync } from 'node:fs'
import { Failure } from '../../../base/failure.ts'
import { mountOf, readMountInfo } from '../../../linux/mount/mount-info.ts'
import type { MountLine } from '../../../linux/mount/parse-mountinfo.ts'
import type { ContainerMount } from './container-mount.ts'

/**
 * True where the container need not hear of the host's mounts after all: of what lies around the data root we asked for that ourselves. Throws in
 * Docker's words where the user asked in vain.
 */
export function checkPropagation(
  mount: Pick<ContainerMount, 'propagation' | 'spec'>,
  source: string,
  dataRoot: string,
  mounts: () => readonly MountLine[] = readMountInfo,
): boolean {
  const { propagation } = mount
  const isShared = propagation.endsWith('shared')
  if (!isShared && !propagation.endsWith('slave')) return false
  const holder = mountOf(realpathSync(source), mounts())
  const has = (kind: string) => holder?.optional.some((field) => field.startsWith(kind)) === true
  if (has('shared:') || (!isShared && has('master:'))) return false
  const isOurs = source.startsWith(dataRoot) || dataRoot.startsWith(source)
  if (!isShared && isOurs && !mount.spec.BindOptions?.Propagation) return true
  throw new Failure(
    'unknown',
    `path ${source} is mounted on ${holder?.mountPoint ?? '/'} but it is not a shared${isShared ? '' : ' or slave'} mount`,
  )
}
