// A container's configuration from what its user asked for and what its image says: Docker's rules of who wins.
import type { ContainerConfig } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'
import { parsePort } from './port-bindings.ts'

/** `config` of an image: the same names. */
export type ImageDefaults = Pick<
  ContainerConfig,
  | 'User'
  | 'ExposedPorts'
  | 'Env'
  | 'Entrypoint'
  | 'Cmd'
  | 'Volumes'
  | 'WorkingDir'
  | 'Labels'
  | 'StopSignal'
  | 'Healthcheck'
  | 'Shell'
  | 'OnBuild'
  | 'ArgsEscaped'
>

/** Neither argument is changed. */
export function mergeImageConfig(user: ContainerConfig, image: ImageDefaults): ContainerConfig {
  const hasEntrypoint = (user.Entrypoint ?? []).length > 0
  const hasCommand = (user.Cmd ?? []).length > 0
  const ownEntrypoint = user.Entrypoint ?? image.Entrypoint ?? null
  const healthcheck = user.Healthcheck ?? image.Healthcheck
  return {
    ...user,
    User: user.User || image.User || '',
    ExposedPorts: mergePorts(user.ExposedPorts, image.ExposedPorts),
    Env: mergeEnvironment(user.Env ?? [], image.Env ?? []),
    // An own entrypoint makes the image's command meaningless.
    Cmd: hasCommand || hasEntrypoint ? (user.Cmd ?? null) : (image.Cmd ?? null),
    // One empty word is how a user asks for none.
    Entrypoint: ownEntrypoint?.length === 1 && ownEntrypoint[0] === '' ? null : ownEntrypoint,
    Volumes: mergeKeys(user.Volumes, image.Volumes),
    WorkingDir: user.WorkingDir || image.WorkingDir || '',
    Labels: { ...(image.Labels ?? {}), ...(user.Labels ?? {}) },
    ...(user.StopSignal || image.StopSignal ? { StopSignal: user.StopSignal || image.StopSignal || '' } : {}),
    ...(healthcheck ? { Healthcheck: healthcheck } : {}),
    ...((user.Shell ?? image.Shell) ? { Shell: user.Shell ?? image.Shell ?? null } : {}),
    OnBuild: user.OnBuild ?? null,
  }
}

/** The program and its arguments. Throws invalid-argument where there is none. */
export function commandOf(config: ContainerConfig): { path: string; args: string[] } {
  const [path, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])]
  if (path === undefined) throw new Failure('invalid-argument', 'no command specified')
  return { path, args }
}

/** The user's first, then the image's that he does not set. */
function mergeEnvironment(user: readonly string[], image: readonly string[]): string[] {
  const names = new Set(user.map(nameOf))
  return [...user, ...image.filter((variable) => !names.has(nameOf(variable)))]
}

function nameOf(variable: string): string {
  const equals = variable.indexOf('=')
  return equals < 0 ? variable : variable.slice(0, equals)
}

function mergePorts(...maps: readonly (Record<string, object> | null | undefined)[]): Record<string, object> | null {
  const keys = maps.flatMap((map) => Object.keys(map ?? {}))
  if (keys.length === 0) return null
  return Object.fromEntries(
    keys.map((key) => {
      const { port, protocol } = parsePort(key)
      return [`${port}/${protocol}`, {}]
    }),
  )
}

function mergeKeys(...maps: readonly (Record<string, object> | null | undefined)[]): Record<string, object> | null {
  const merged = Object.assign({}, ...maps.map((map) => map ?? {})) as Record<string, object>
  return Object.keys(merged).length === 0 ? null : merged
}
