// Which AppArmor profile a container has.

export const DEFAULT_PROFILE = 'docker-default'
export const UNCONFINED = 'unconfined'

/** What of the kernel and the surroundings decides; contents of files, undefined where they cannot be read. */
export interface AppArmorFacts {
  /** /sys/module/apparmor/parameters/enabled */
  enabled: string | undefined
  /** /sys/kernel/security/apparmor/profiles: `name (mode)`, one a line. */
  profiles: string | undefined
  /** The environment variable by which container managers say that we run in one of theirs. */
  container: string | undefined
}

/** Within a container the kernel's AppArmor is the host's affair. */
export function isEnabled({ enabled, profiles, container }: AppArmorFacts): boolean {
  return enabled?.startsWith('Y') === true && profiles !== undefined && !container
}

export function isLoaded({ profiles }: Pick<AppArmorFacts, 'profiles'>, name: string): boolean {
  return profiles?.split('\n').some((line) => line.startsWith(`${name} (`)) === true
}

/**
 * @param requested of `--security-opt apparmor=`; empty or undefined: none.
 * @returns empty where the kernel has no AppArmor: nothing is applied then, as with Docker, even what was asked for.
 */
export function chooseProfile(hasAppArmor: boolean, isPrivileged: boolean, requested: string | undefined): string {
  if (!hasAppArmor) return ''
  return isPrivileged ? UNCONFINED : requested || DEFAULT_PROFILE
}
