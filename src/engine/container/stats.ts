// GET /containers/{id}/stats: cgroup counters once a second, each with the ones before it.
import { readFileSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { isAlive } from './container-state.ts'
import type { StatsCounters } from './read-counters.ts'
import { readCounters } from './read-counters.ts'

const INTERVAL_MS = 1000
const GO_ZERO_TIME = '0001-01-01T00:00:00Z'

export interface StatsSample {
  counters: StatsCounters | undefined
  /** RFC 3339. */
  takenAt: string
}

export type StatsMode = 'stream' | 'once' | 'one-shot'

/** A sample about every second until the signal aborts or the container is gone; `once` waits for two and gives the second. */
export async function* watchStats(
  engine: Engine,
  container: Container,
  mode: StatsMode,
  signal: AbortSignal,
): AsyncGenerator<Record<string, unknown>> {
  let before: StatsSample = { counters: undefined, takenAt: GO_ZERO_TIME }
  for (let round = 0; !signal.aborted; round++) {
    const sample = await takeSample(engine, container)
    const isDown = sample.counters === undefined
    if (mode !== 'once' || round === 1 || isDown) yield formatStats(container, sample, before)
    if (mode === 'one-shot' || (mode === 'once' && (round === 1 || isDown)) || container.isGone) return
    if (!isDown) before = sample
    await engine.clock.sleep(INTERVAL_MS, signal)
  }
}

async function takeSample(engine: Engine, container: Container): Promise<StatsSample> {
  const takenAt = new Date(engine.clock.now()).toISOString()
  if (!isAlive(container.state)) return { counters: undefined, takenAt: GO_ZERO_TIME }
  try {
    return { counters: await readCounters(engine, container), takenAt }
  } catch (error) {
    if (error instanceof Failure) return { counters: undefined, takenAt: GO_ZERO_TIME } // it ended this moment
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

export function emptyBlockIo(): Record<string, unknown> {
  return {
    io_service_bytes_recursive: null,
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  }
}

/** Nanoseconds that all processors together have spent, without what a hypervisor took, and how many there are: what a share is computed against. */
export function readSystemCpu(text = readFileSync('/proc/stat', 'utf8')): { usageNs: number; onlineCpus: number } {
  const NS_PER_TICK = 10_000_000 // USER_HZ is 100 on every architecture we run on
  const lines = text.split('\n')
  const fields = (lines[0] ?? '').trim().split(/\s+/).slice(1, 8).map(Number)
  return {
    usageNs: fields.reduce((sum, ticks) => sum + ticks, 0) * NS_PER_TICK,
    onlineCpus: lines.filter((line) => /^cpu\d/.test(line)).length,
  }
}
