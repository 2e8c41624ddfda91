// A container's configuration over its image's.
import type { ContainerConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'

/** What of an image's configuration reaches its containers. */
export type ImageDefaults = Pick<
  ContainerConfig,
  | 'User'
  | 'ExposedPorts'
  | 'Env'
  | 'Cmd'
  | 'Entrypoint'
  | 'Labels'
  | 'Volumes'
  | 'WorkingDir'
  | 'StopSignal'
  | 'Healthcheck'
  | 'Shell'
  | 'OnBuild'
>

/** The container's word counts; lists of names are joined. Throws Failure('invalid-argument') if nothing is left to run. */
export function mergeImageConfig(config: ContainerConfig, image: ImageDefaults): ContainerConfig {
  const merged: ContainerConfig = {
    ...config,
    ...mergeCommand(config, image),
    Env: mergeEnvironment(config.Env, image.Env),
  }
  if (config.User === undefined || config.User === '') merged.User = image.User ?? ''
  if (!config.WorkingDir) merged.WorkingDir = image.WorkingDir ?? ''
  if (!config.StopSignal && image.StopSignal) merged.StopSignal = image.StopSignal
  merged.Labels = sorted({ ...image.Labels, ...config.Labels })
  merged.Volumes = orNull(sorted({ ...image.Volumes, ...config.Volumes }))
  const ports = sorted({ ...image.ExposedPorts, ...config.ExposedPorts })
  if (config.ExposedPorts != null || orNull(ports) !== null) merged.ExposedPorts = ports
  const health = mergeHealthcheck(config.Healthcheck, image.Healthcheck)
  if (health !== undefined) merged.Healthcheck = health
  if (merged.Entrypoint == null && !merged.Cmd?.length) throw new Failure('invalid-argument', 'no command specified')
  return merged
}

/** Go prints the keys of a map in their order. */
function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function orNull<T>(record: Record<string, T>): Record<string, T> | null {
  return Object.keys(record).length === 0 ? null : record
}

/** An entrypoint of the container's own does away with the image's command, one of `[""]` with the image's entrypoint. */
function mergeCommand(config: ContainerConfig, image: ImageDefaults): Pick<ContainerConfig, 'Cmd' | 'Entrypoint'> {
  const own = config.Entrypoint ?? []
  const cmd = own.length === 0 && !config.Cmd?.length ? image.Cmd : config.Cmd
  const entrypoint = config.Entrypoint == null ? image.Entrypoint : config.Entrypoint
  const isReset = entrypoint?.length === 1 && entrypoint[0] === ''
  return { Cmd: cmd ?? null, Entrypoint: isReset || !entrypoint?.length ? null : entrypoint }
}

/** The container's variables, then those of the image that it doesn't set. */
function mergeEnvironment(own: string[] | null | undefined, image: string[] | null | undefined): string[] | null {
  if (!own?.length) return image ?? own ?? null
  const names = new Set(own.map(nameOf))
  return [...own, ...(image ?? []).filter((text) => !names.has(nameOf(text)))]
}

function nameOf(variable: string): string {
  const equals = variable.indexOf('=')
  return equals < 0 ? variable : variable.slice(0, equals)
}

/** Zero or nothing inherits, field by field. */
function mergeHealthcheck(
  own: ContainerConfig['Healthcheck'],
  image: ContainerConfig['Healthcheck'],
): ContainerConfig['Healthcheck'] | undefined {
  if (image == null) return own ?? undefined
  if (own == null) return image
  return {
    ...image,
    ...own,
    Test: own.Test?.length ? own.Test : (image.Test ?? null),
    Interval: own.Interval || image.Interval || 0,
    Timeout: own.Timeout || image.Timeout || 0,
    StartPeriod: own.StartPeriod || image.StartPeriod || 0,
    StartInterval: own.StartInterval || image.StartInterval || 0,
    Retries: own.Retries || image.Retries || 0,
  }
}
