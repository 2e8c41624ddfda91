// The process of a runtime spec: arguments, environment, identity, limits.
import type { ContainerConfig, HostConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import type { ProcessSpec } from '../../../oci/runtime-spec.ts'
import { chooseProfile } from '../../apparmor/choose-profile.ts'
import { chooseCapabilities } from './capabilities.ts'
import type { SecurityOptions } from './security-options.ts'
import type { SpecInput } from './spec-input.ts'

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
export const INIT_DESTINATION = '/sbin/docker-init'

export function buildProcess(input: SpecInput, security: SecurityOptions): ProcessSpec {
  const { config, hostConfig, user } = input
  const capabilities = containerCapabilities(input)
  const rlimits = buildRlimits(input)
  const profile = chooseProfile(input.host.hasAppArmor === true, hostConfig.Privileged === true, security.apparmor)
  const size = hostConfig.ConsoleSize
  const hasSize = config.Tty === true && size?.length === 2 && size[0] !== 0 && size[1] !== 0
  return {
    ...(config.Tty === true ? { terminal: true } : {}),
    ...(hasSize ? { consoleSize: { height: size[0]!, width: size[1]! } } : {}),
    user: {
      uid: user.uid,
      gid: user.gid,
      additionalGids: [...new Set([user.gid, ...user.additionalGids, ...input.addedGroups])],
    },
    args: buildArgs(input),
    env: buildEnvironment(config, containerHostname(input), input.linkVariables),
    cwd: config.WorkingDir || '/',
    // execve takes them from anyone but root anyway, so that is how the spec starts.
    capabilities:
      user.uid === 0
        ? { bounding: capabilities, effective: capabilities, permitted: capabilities }
        : { bounding: capabilities },
    ...(rlimits.length === 0 ? {} : { rlimits }),
    ...(security.noNewPrivileges ? { noNewPrivileges: true } : {}),
    ...(profile === '' ? {} : { apparmorProfile: profile }),
    oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
  }
}

/** Also what `exec` gets, and what the seccomp profile is filtered by. */
export function containerCapabilities(input: Pick<SpecInput, 'hostConfig' | 'host'>): string[] {
  return chooseCapabilities({
    add: input.hostConfig.CapAdd ?? [],
    drop: input.hostConfig.CapDrop ?? [],
    privileged: input.hostConfig.Privileged === true,
    available: input.host.capabilities,
  })
}

/** The first twelve digits of the id unless one was given; with the host's network, the host's. */
export function containerHostname(input: Pick<SpecInput, 'id' | 'config' | 'hostConfig' | 'host'>): string {
  if (input.config.Hostname) return input.config.Hostname
  return input.hostConfig.NetworkMode === 'host' ? input.host.hostname : input.id.slice(0, 12)
}

function buildArgs(input: SpecInput): string[] {
  const args = [...(input.config.Entrypoint ?? []), ...(input.config.Cmd ?? [])]
  if (args.length === 0) throw new Failure('invalid-argument', 'no command specified')
  return hasInit(input) ? [INIT_DESTINATION, '--', ...args] : args
}

/** docker-init reaps the container's own processes; in someone else's pid namespace it can't. */
export function hasInit(input: SpecInput): boolean {
  const wanted = input.hostConfig.Init ?? input.defaults.init
  if (!wanted || input.hostConfig.PidMode === 'host' || input.hostConfig.PidMode?.startsWith('container:')) return false
  if (input.defaults.initPath === undefined)
    throw new Failure('failed-precondition', 'exec: "docker-init": executable file not found in $PATH')
  return true
}

/** Docker's own variables and those of links, then the configured ones over them; a name alone takes one away. */
export function buildEnvironment(
  config: ContainerConfig,
  hostname: string,
  linkVariables: readonly string[] = [],
): string[] {
  const variables = new Map([
    ['PATH', `PATH=${DEFAULT_PATH}`],
    ['HOSTNAME', `HOSTNAME=${hostname}`],
  ])
  if (config.Tty === true) variables.set('TERM', 'TERM=xterm')
  for (const text of [...linkVariables, ...(config.Env ?? [])]) {
    const equals = text.indexOf('=')
    if (equals < 0) variables.delete(text)
    else variables.set(text.slice(0, equals), text)
  }
  return [...variables.values()]
}

/** JSON can't say 2^64-1 in a double: format-runtime-spec.ts writes it out. */
const UNLIMITED = 2 ** 64

function buildRlimits({ hostConfig, defaults }: SpecInput): NonNullable<ProcessSpec['rlimits']> {
  const own = hostConfig.Ulimits ?? []
  const names = new Set(own.map((ulimit) => ulimit.Name))
  const inherited = Object.values(defaults.ulimits)
    .filter((ulimit) => !names.has(ulimit.name))
    .map((ulimit) => ({ Name: ulimit.name, Soft: ulimit.soft, Hard: ulimit.hard }))
  return [...own, ...inherited].map(
    ({ Name = '', Soft = 0, Hard = 0 }: NonNullable<HostConfig['Ulimits']>[number]) => ({
      type: `RLIMIT_${Name.toUpperCase()}`,
      hard: Hard < 0 ? UNLIMITED : Hard,
      soft: Soft < 0 ? UNLIMITED : Soft,
    }),
  )
}
