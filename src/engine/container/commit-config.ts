// The configuration of a committed image: what was asked for, and where nothing was, the container's.
import type { ContainerConfig, HealthConfig } from '../../api/container-types.ts'

/** As Docker joins them: lists of names are united, the rest is the container's where it is not said. */
export function mergeCommitConfig(wanted: ContainerConfig, own: ContainerConfig): ContainerConfig {
  const hasEntrypoint = (wanted.Entrypoint ?? []).length > 0
  const takesCommand = !hasEntrypoint && (wanted.Cmd ?? []).length === 0
  return {
    ...wanted,
    User: wanted.User || (own.User ?? ''),
    WorkingDir: wanted.WorkingDir || (own.WorkingDir ?? ''),
    ...(wanted.StopSignal || own.StopSignal ? { StopSignal: wanted.StopSignal || own.StopSignal || '' } : {}),
    ...(wanted.ExposedPorts != null || own.ExposedPorts != null
      ? { ExposedPorts: { ...own.ExposedPorts, ...wanted.ExposedPorts } }
      : {}),
    Env: mergeEnvironment(wanted.Env ?? [], own.Env ?? []),
    Labels: { ...own.Labels, ...wanted.Labels },
    Cmd: takesCommand ? (own.Cmd ?? null) : (wanted.Cmd ?? null),
    Entrypoint: hasEntrypoint || wanted.Entrypoint != null ? (wanted.Entrypoint ?? null) : (own.Entrypoint ?? null),
    Volumes: wanted.Volumes == null && own.Volumes == null ? null : { ...wanted.Volumes, ...own.Volumes },
    ...mergeHealth(wanted.Healthcheck, own.Healthcheck),
  }
}

function mergeEnvironment(wanted: readonly string[], own: readonly string[]): string[] {
  const names = new Set(wanted.map(nameOf))
  return [...wanted, ...own.filter((text) => !names.has(nameOf(text)))]
}

function nameOf(variable: string): string {
  return variable.split('=', 1)[0] ?? ''
}

function mergeHealth(
  wanted: HealthConfig | null | undefined,
  own: HealthConfig | null | undefined,
): { Healthcheck?: HealthConfig } {
  if (wanted == null) return own == null ? {} : { Healthcheck: own }
  if (own == null) return { Healthcheck: wanted }
  const merged: HealthConfig = { ...wanted }
  if (!merged.Test?.length && own.Test) merged.Test = own.Test
  for (const field of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const)
    if (!merged[field] && own[field]) merged[field] = own[field]
  return { Healthcheck: merged }
}
