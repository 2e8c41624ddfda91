// What one run of a health check means: Docker's rules as a pure decision, and the times between runs.
import type { ContainerConfig, HealthConfig } from '../../api/container-types.ts'

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy'

export interface ProbeResult {
  /** RFC 3339. */
  Start: string
  End: string
  /** 0: healthy; -1: it took too long, or could not be run. */
  ExitCode: number
  Output: string
}

/** `State.Health`, as inspect shows it. */
export interface Health {
  Status: HealthStatus
  FailingStreak: number
  Log: ProbeResult[]
}

export interface HealthPlan {
  command: readonly string[]
  intervalMs: number
  timeoutMs: number
  startPeriodMs: number
  startIntervalMs: number
  retries: number
}

const RESULTS_KEPT = 5
const NS_PER_MS = 1_000_000
const DEFAULT_SHELL = ['/bin/sh', '-c']

/** Undefined: the container has no check, or `NONE`. */
export function planHealth(config: ContainerConfig): HealthPlan | undefined {
  const health = config.Healthcheck
  const command = commandOf(health, config.Shell)
  if (!health || command.length === 0) return undefined
  const ms = (nanoseconds: number | undefined, fallbackMs: number) =>
    nanoseconds ? nanoseconds / NS_PER_MS : fallbackMs
  return {
    command,
    intervalMs: ms(health.Interval, 30_000),
    timeoutMs: ms(health.Timeout, 30_000),
    startPeriodMs: ms(health.StartPeriod, 0),
    startIntervalMs: ms(health.StartInterval, 5_000),
    retries: health.Retries || 3,
  }
}

function commandOf(health: HealthConfig | null | undefined, shell: readonly string[] | null | undefined): string[] {
  const [kind, ...words] = health?.Test ?? []
  if (kind === 'CMD') return words
  return kind === 'CMD-SHELL' ? [...(shell?.length ? shell : DEFAULT_SHELL), ...words] : []
}

export function startingHealth(): Health {
  return { Status: 'starting', FailingStreak: 0, Log: [] }
}

/** A new value. Failures do not count while the container may still be coming up. @param upMs how long it ran as the probe began. */
export function judgeProbe(plan: HealthPlan, health: Health, result: ProbeResult, upMs: number): Health {
  const Log = [...health.Log, result].slice(-RESULTS_KEPT)
  if (result.ExitCode === 0) return { Status: 'healthy', FailingStreak: 0, Log }
  const isExcused = health.Status === 'starting' && upMs < plan.startPeriodMs
  const FailingStreak = health.FailingStreak + (isExcused ? 0 : 1)
  return { Status: FailingStreak >= plan.retries ? 'unhealthy' : health.Status, FailingStreak, Log }
}

export function pauseBeforeProbe(plan: HealthPlan, health: Health, upMs: number): number {
  return health.Status === 'starting' && upMs < plan.startPeriodMs ? plan.startIntervalMs : plan.intervalMs
}

/** `1m30s`, `500ms`, as Go prints a duration. */
export function formatGoDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`
  const [hours, minutes, seconds] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, (ms % 60_000) / 1000]
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`
}
