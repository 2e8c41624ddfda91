// POST /containers/{id}/update: limits and restart policy of a container, running or not.
import type { HostConfig } from '../../api/container-types.ts'
import { Failure, messageOf } from '../../base/failure.ts'
import { packJson, RESOURCES_SPEC_TYPE } from '../../containerd/client/any.ts'
import type { Engine } from '../engine.ts'
import { checkUpdatedConfig, resourcesOf } from './prepare-config.ts'
import type { Container } from './container.ts'
import { isAlive } from './container-state.ts'
import { publishContainerEvent } from './publish-event.ts'

/** Zero and empty mean that a limit stays as it is. */
const LIMITS = [
  'CpuShares',
  'Memory',
  'BlkioWeight',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'CpusetCpus',
  'CpusetMems',
  'MemoryReservation',
  'MemorySwap',
  'NanoCpus',
  'PidsLimit',
] as const satisfies readonly (keyof HostConfig)[]

/** Returns warnings. All or nothing. */
export async function updateContainer(engine: Engine, container: Container, changes: HostConfig): Promise<string[]> {
  return await container.lock.run(async () => {
    const { record } = container
    if (container.isGone || container.isRemoving)
      throw cannotUpdate(container, 'container is marked for removal and cannot be "update"', 'conflict')
    const next = mergeChanges(record.hostConfig, changes)
    if (next.AutoRemove === true && (next.RestartPolicy?.Name ?? 'no') !== 'no' && next.RestartPolicy?.Name !== '')
      throw cannotUpdate(
        container,
        'Restart policy cannot be updated because AutoRemove is enabled for the container',
        'conflict',
      )
    const warnings = checkUpdatedConfig(engine, record.config, next)
    if (isAlive(container.state)) await apply(engine, container, next)
    record.hostConfig = next
    container.save()
    publishContainerEvent(engine, container, 'update')
    return warnings
  })
}

function mergeChanges(current: HostConfig, changes: HostConfig): HostConfig {
  const next: HostConfig = { ...current }
  for (const key of LIMITS) if (changes[key]) Object.assign(next, { [key]: changes[key] })
  if (changes.RestartPolicy?.Name) next.RestartPolicy = changes.RestartPolicy
  // Two ways to say one thing: the newer one counts.
  if (changes.NanoCpus) Object.assign(next, { CpuQuota: 0, CpuPeriod: 0 })
  else if (changes.CpuQuota || changes.CpuPeriod) next.NanoCpus = 0
  return next
}

async function apply(engine: Engine, container: Container, next: HostConfig): Promise<void> {
  try {
    await engine.containerd.tasks.update({
      containerId: container.id,
      resources: packJson(RESOURCES_SPEC_TYPE, resourcesOf(next)),
    })
  } catch (error) {
    throw cannotUpdate(container, messageOf(error), 'unknown')
  }
}

function cannotUpdate(container: Container, reason: string, code: 'conflict' | 'unknown'): Failure {
  return new Failure(code, `Cannot update container ${container.id}: ${reason}`)
}
