// engine_daemon_*: what the engine counts while it runs, and what it measures when somebody asks. Names, help and labels are dockerd's.
import { cpus, totalmem } from 'node:os'
import { BERTH_VERSION } from '../../api/versions.ts'
import { type Family, Histogram, type Labels } from '../../base/metrics/exposition.ts'
import { processFamilies } from '../../base/metrics/process-metrics.ts'
import { isAlive } from '../container/container-state.ts'
import type { Engine } from '../engine.ts'
import { goArchitecture, kernelVersion, operatingSystem } from '../system/host-facts.ts'

/** Timers by their family, with the label and the values that are there from the start. */
const TIMERS = {
  container_actions: {
    help: 'The number of seconds it takes to process each container action',
    label: 'action',
    values: ['changes', 'commit', 'create', 'delete', 'start'],
  },
  image_actions: {
    help: 'The number of seconds it takes to process each image action',
    label: 'action',
    values: ['delete', 'history', 'pull', 'push'],
  },
  host_info_functions: {
    help: 'The number of seconds it takes to call functions gathering info about the host',
    label: 'function',
    values: ['system_info', 'system_version'],
  },
} as const

export type TimerFamily = keyof typeof TIMERS

export class EngineMetrics {
  readonly #timers = new Map<TimerFamily, Map<string, Histogram>>()
  readonly #checkStart = new Histogram()
  #checks = 0
  #failedChecks = 0

  constructor() {
    for (const family of Object.keys(TIMERS) as TimerFamily[])
      this.#timers.set(family, new Map(TIMERS[family].values.map((value) => [value, new Histogram()])))
  }

  /** An action that has succeeded. */
  took(family: TimerFamily, value: string, seconds: number): void {
    const timers = this.#timers.get(family)
    const timer = timers?.get(value) ?? new Histogram()
    timers?.set(value, timer)
    timer.observe(seconds)
  }

  /** A health check that was run. */
  checked(check: { isFailed: boolean }): void {
    this.#checks++
    if (check.isFailed) this.#failedChecks++
  }

  /** How long a health check took until its process ran. */
  checkStarted(seconds: number): void {
    this.#checkStart.observe(seconds)
  }

  families(engine: Engine): Family[] {
    const timers = [...this.#timers].map(([family, values]): Family => {
      const { help, label } = TIMERS[family]
      const samples = [...values].flatMap(([value, timer]) => timer.samples({ [label]: value }))
      return { name: `engine_daemon_${family}_seconds`, help, type: 'histogram', samples }
    })
    return [
      ...timers,
      {
        ...{ name: 'engine_daemon_health_check_start_duration_seconds', type: 'histogram' },
        help: 'The number of seconds it takes to prepare to run health checks',
        samples: this.#checkStart.samples({}),
      },
      counter('health_checks_total', 'The total number of health checks', this.#checks),
      counter('health_checks_failed_total', 'The total number of failed health checks', this.#failedChecks),
      counter('events_total', 'The number of events logged', engine.events.publishedCount),
      gauge('events_subscribers_total', 'The number of current subscribers to events', [
        [{}, engine.events.listenerCount],
      ]),
      gauge('container_states_containers', 'The count of containers in various states', states(engine)),
      ...hostFamilies(engine),
      ...processFamilies(),
    ]
  }
}

function states(engine: Engine): [Labels, number][] {
  const all = engine.containers.list().map(({ state }) => state)
  return [
    [{ state: 'paused' }, all.filter(({ status }) => status === 'paused').length],
    [{ state: 'running' }, all.filter(({ status }) => status === 'running').length],
    [{ state: 'stopped' }, all.filter((state) => !isAlive(state)).length],
  ]
}

function hostFamilies(engine: Engine): Family[] {
  const system = operatingSystem()
  const labels = {
    version: BERTH_VERSION,
    commit: '',
    architecture: goArchitecture(),
    graphdriver: 'overlayfs',
    kernel: kernelVersion(),
    os: system.name,
    os_type: 'linux',
    os_version: system.version,
    daemon_id: engine.id,
  }
  return [
    gauge('engine_info', 'The information related to the engine and the OS it is running on', [[labels, 1]]),
    gauge('engine_cpus_cpus', 'The number of cpus that the host system of the engine has', [[{}, cpus().length]]),
    gauge('engine_memory_bytes', 'The number of bytes of memory that the host system of the engine has', [
      [{}, totalmem()],
    ]),
  ]
}

function counter(name: string, help: string, value: number): Family {
  return { name: `engine_daemon_${name}`, help, type: 'counter', samples: [{ labels: {}, value }] }
}

function gauge(name: string, help: string, samples: [Labels, number][]): Family {
  return {
    ...{ name: `engine_daemon_${name}`, help, type: 'gauge' },
    samples: samples.map(([labels, value]) => ({ labels, value })),
  }
}
