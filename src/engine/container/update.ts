// POST /containers/{id}/update: limits and restart policy of a container, running or not.
import type { HostConfig } from '../../api/container-types.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { packJson, RESOURCES_SPEC_TYPE } from '../../containerd/client/any.ts'
import type { Engine } from '../engine.ts'
import { checkUpdate, updatedResources } from './prepare-config.ts'
import type { Container } from './container.ts'
import { isAlive } from './container-state.ts'
import { publishContainerEvent } from './publish-event.ts'

/** Zero and empty mean that a limit stays as it is. */
const LIMITS = [
  'BlkioWeight',
  'CpuShares',
  'NanoCpus',
  'CpuPeriod',
  'CpuQuota',
  'CpusetCpus',
  'CpusetMems',
  'Memory',
  'MemorySwap',
  'MemoryReservation',
  'KernelMemory',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
] as const satisfies readonly (keyof HostConfig)[]

/** Returns warnings. All or nothing. */
export async function updateContainer(engine: Engine, container: Container, changes: HostConfig): Promise<string[]> {
  const warnings = checkUpdate(engine, changes)
  return await container.lock.run(async () => {
    const { record } = container
    const refusal =
      container.isGone || container.isRemoving
        ? 'container is marked for removal and cannot be "update"'
        : findConflict(record.hostConfig, changes)
    if (refusal !== undefined)
      throw cannotUpdate(container, refusal, container.isGone || container.isRemoving ? 'unknown' : 'conflict')
    const next = mergeChanges(record.hostConfig, changes)
    if (isAlive(container.state)) await apply(engine, container, changes)
    record.hostConfig = next
    container.save()
    publishContainerEvent(engine, container, 'update')
    return warnings
  })
}

/** Two ways to say one thing must not be mixed, and swap is counted on top of memory. */
function findConflict(current: HostConfig, changes: HostConfig): string | undefined {
  const isSet = (config: HostConfig, key: 'NanoCpus' | 'CpuPeriod' | 'CpuQuota') => (config[key] ?? 0) > 0
  if (isSet(changes, 'NanoCpus') && isSet(current, 'CpuPeriod'))
    return 'Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set'
  if (isSet(changes, 'NanoCpus') && isSet(current, 'CpuQuota'))
    return 'Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set'
  if (isSet(changes, 'CpuPeriod') && isSet(current, 'NanoCpus'))
    return 'Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set'
  if (isSet(changes, 'CpuQuota') && isSet(current, 'NanoCpus'))
    return 'Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set'
  const { Memory: memory = 0, MemorySwap: swap = 0 } = changes
  if (memory !== 0 && swap === 0 && memory > (current.MemorySwap ?? 0) && current.MemorySwap !== -1)
    return 'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time'
  const policy = changes.RestartPolicy?.Name ?? ''
  return current.AutoRemove === true && policy !== '' && policy !== 'no'
    ? 'Restart policy cannot be updated because AutoRemove is enabled for the container'
    : undefined
}

function mergeChanges(current: HostConfig, changes: HostConfig): HostConfig {
  const next: HostConfig = { ...current }
  for (const key of LIMITS) if (changes[key]) Object.assign(next, { [key]: changes[key] })
  if (changes.PidsLimit != null) next.PidsLimit = Math.max(changes.PidsLimit, 0) // none and -1 are both without limit
  if (changes.RestartPolicy?.Name) next.RestartPolicy = changes.RestartPolicy
  return next
}

/** Only what has been asked for: a limit that a user has set by hand in the cgroup stays. */
async function apply(engine: Engine, container: Container, changes: HostConfig): Promise<void> {
  try {
    await engine.containerd.tasks.update({
      containerId: container.id,
      resources: packJson(RESOURCES_SPEC_TYPE, updatedResources(changes)),
    })
  } catch (error) {
    throw cannotUpdate(container, messageOf(error), 'unknown')
  }
}

function cannotUpdate(container: Container, reason: string, code: 'conflict' | 'unknown'): Failure {
  return new Failure(code, `Cannot update container ${container.id}: ${reason}`)
}
