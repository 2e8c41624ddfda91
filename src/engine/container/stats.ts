// GET /containers/{id}/stats: cgroup counters once a second, each with the ones before it.
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import {
  countersOf,
  emptyBlockIo,
  readTasks,
  readTimeOf,
  type StatsCounters,
  type TaskReading,
} from './read-counters.ts'

const INTERVAL_MS = 1000
const GO_ZERO_TIME = '0001-01-01T00:00:00Z'

export interface StatsSample {
  counters: StatsCounters | undefined
  /** RFC 3339. */
  takenAt: string
}

export type StatsMode = 'stream' | 'once' | 'one-shot'

/**
 * A sample about every second until the signal aborts or the container is gone; `once` waits for two and gives the second. The first is taken at once,
 * and a stream's others with those of all streams.
 */
export async function* watchStats(
  engine: Engine,
  container: Container,
  mode: StatsMode,
  signal: AbortSignal,
): AsyncGenerator<Record<string, unknown>> {
  let before: StatsSample = { counters: undefined, takenAt: GO_ZERO_TIME }
  for (let round = 0; !signal.aborted; round++) {
    const isShared = mode === 'stream' && round > 0
    const sample = await takeSample(engine, container, () =>
      isShared ? engine.statsRounds.next(engine, container, signal) : readTasks(engine, [container]),
    )
    if (signal.aborted) return
    const isDown = sample.counters === undefined
    if (mode !== 'once' || round === 1 || isDown) yield formatStats(container, sample, before)
    if (mode === 'one-shot' || (mode === 'once' && (round === 1 || isDown)) || container.isGone) return
    if (!isDown) before = sample
    if (mode !== 'stream') await engine.clock.sleep(INTERVAL_MS, signal)
  }
}

async function takeSample(
  engine: Engine,
  container: Container,
  read: () => Promise<TaskReading | undefined>,
): Promise<StatsSample> {
  const nothing = { counters: undefined, takenAt: GO_ZERO_TIME }
  try {
    const reading = await read()
    if (reading === undefined) return nothing
    return { counters: countersOf(engine, container, reading), takenAt: readTimeOf(container, reading) }
  } catch (error) {
    if (error instanceof Failure) return nothing // it does not run, or ended this moment
    throw error
  }
}

function formatStats(container: Container, sample: StatsSample, before: StatsSample): Record<string, unknown> {
  const { counters } = sample
  return {
    name: `/${container.name}`,
    id: container.id,
    read: sample.takenAt,
    preread: before.takenAt,
    num_procs: 0,
    pids_stats: counters?.pids ?? {},
    cpu_stats: counters?.cpu ?? emptyCpu(),
    precpu_stats: before.counters?.cpu ?? emptyCpu(),
    memory_stats: counters?.memory ?? {},
    blkio_stats: counters?.blockIo ?? emptyBlockIo(),
    storage_stats: {},
    ...(counters?.networks === undefined ? {} : { networks: counters.networks }),
    os_type: 'linux',
  }
}

function emptyCpu(): Record<string, unknown> {
  return {
    cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
    throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
  }
}
