// Seccomp profiles in the form people write: rules with conditions on capabilities, architecture and kernel. Filtering one
// for a container gives the plain OCI section.
import { Failure, messageOf } from '../../../base/failure.ts'
import type { SeccompRule, SeccompSpec } from '../../../oci/runtime-spec.ts'

export interface ProfileFilter {
  caps?: string[]
  arches?: string[]
  /** `major.minor`; this kernel or a newer one. */
  minKernel?: string
}

export interface ProfileRule extends SeccompRule {
  /** All must hold. */
  includes?: ProfileFilter
  /** None may hold. */
  excludes?: ProfileFilter
}

export interface SeccompProfile {
  defaultAction: string
  defaultErrnoRet?: number
  architectures?: string[]
  archMap?: { architecture: string; subArchitectures: string[] }[]
  flags?: string[]
  listenerPath?: string
  syscalls: ProfileRule[]
}

/** What the filter looks at. */
export interface SeccompFacts {
  arch: 'x86_64' | 'aarch64'
  capabilities: readonly string[]
  kernel: { major: number; minor: number }
}

const ARCH_NAMES = {
  x86_64: { profile: 'amd64', seccomp: 'SCMP_ARCH_X86_64' },
  aarch64: { profile: 'arm64', seccomp: 'SCMP_ARCH_AARCH64' },
} as const

/** The rules that apply to this container on this machine, without their conditions. */
export function filterProfile(profile: SeccompProfile, facts: SeccompFacts): SeccompSpec {
  const native = ARCH_NAMES[facts.arch].seccomp
  const mapped = profile.archMap?.find((entry) => entry.architecture === native)
  const architectures = mapped === undefined ? profile.architectures : [native, ...mapped.subArchitectures]
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures === undefined || architectures.length === 0 ? {} : { architectures }),
    ...(profile.flags === undefined ? {} : { flags: profile.flags }),
    ...(profile.listenerPath === undefined ? {} : { listenerPath: profile.listenerPath }),
    syscalls: profile.syscalls.filter((rule) => applies(rule, facts)).map(withoutConditions),
  }
}

function applies(rule: ProfileRule, facts: SeccompFacts): boolean {
  const { includes, excludes } = rule
  const arch = ARCH_NAMES[facts.arch].profile
  if (excludes?.arches?.includes(arch)) return false
  if (excludes?.caps?.some((name) => facts.capabilities.includes(name))) return false
  if (excludes?.minKernel !== undefined && isKernelAtLeast(facts.kernel, excludes.minKernel)) return false
  if (includes?.arches !== undefined && includes.arches.length > 0 && !includes.arches.includes(arch)) return false
  if (includes?.caps?.some((name) => !facts.capabilities.includes(name))) return false
  return includes?.minKernel === undefined || isKernelAtLeast(facts.kernel, includes.minKernel)
}

function isKernelAtLeast(kernel: { major: number; minor: number }, least: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)$/.exec(least) ?? []
  if (major === undefined || minor === undefined)
    throw new Failure('invalid-argument', `invalid kernel version: ${least}, expected format: <kernel>.<major>`)
  return kernel.major > Number(major) || (kernel.major === Number(major) && kernel.minor >= Number(minor))
}

function withoutConditions(rule: ProfileRule): SeccompRule {
  return {
    names: rule.names,
    action: rule.action,
    ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
    ...(rule.args === undefined || rule.args.length === 0 ? {} : { args: rule.args }),
  }
}

const PROFILE_BYTES_MAX = 1 << 20

/** A profile that the user gives. Throws Failure('invalid-argument') in Docker's words. */
export function parseProfile(text: string): SeccompProfile {
  if (text.length > PROFILE_BYTES_MAX) throw undecodable('profile too large')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw undecodable(messageOf(error))
  }
  const profile = requireObject(value, 'profile')
  const architectures = optionalStrings(profile['architectures'], 'architectures')
  const archMap = optionalList(profile['archMap'], 'archMap')?.map(parseArchEntry)
  if (architectures !== undefined && architectures.length > 0 && archMap !== undefined && archMap.length > 0)
    throw new Failure(
      'invalid-argument',
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    )
  return {
    defaultAction: requireString(profile['defaultAction'], 'defaultAction'),
    ...optional('defaultErrnoRet', optionalNumber(profile['defaultErrnoRet'], 'defaultErrnoRet')),
    ...optional('architectures', architectures),
    ...optional('archMap', archMap),
    ...optional('flags', optionalStrings(profile['flags'], 'flags')),
    ...optional('listenerPath', optionalString(profile['listenerPath'], 'listenerPath')),
    syscalls: (optionalList(profile['syscalls'], 'syscalls') ?? []).map(parseRule),
  }
}

function parseArchEntry(value: unknown): { architecture: string; subArchitectures: string[] } {
  const entry = requireObject(value, 'archMap')
  return {
    architecture: requireString(entry['architecture'], 'architecture'),
    subArchitectures: optionalStrings(entry['subArchitectures'], 'subArchitectures') ?? [],
  }
}

function parseRule(value: unknown): ProfileRule {
  const rule = requireObject(value, 'syscalls')
  const name = optionalString(rule['name'], 'name')
  const names = optionalStrings(rule['names'], 'names')
  if (name !== undefined && name !== '' && names !== undefined && names.length > 0)
    throw new Failure(
      'invalid-argument',
      "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
    )
  return {
    names: names !== undefined && names.length > 0 ? names : name === undefined ? [] : [name],
    action: requireString(rule['action'], 'action'),
    ...optional('errnoRet', optionalNumber(rule['errnoRet'], 'errnoRet')),
    ...optional('args', optionalList(rule['args'], 'args')?.map(parseArgument)),
    ...optional('includes', optionalFilter(rule['includes'], 'includes')),
    ...optional('excludes', optionalFilter(rule['excludes'], 'excludes')),
  }
}

function parseArgument(value: unknown): NonNullable<SeccompRule['args']>[number] {
  const argument = requireObject(value, 'args')
  return {
    index: optionalNumber(argument['index'], 'index') ?? 0,
    value: optionalNumber(argument['value'], 'value') ?? 0,
    ...optional('valueTwo', optionalNumber(argument['valueTwo'], 'valueTwo')),
    op: requireString(argument['op'], 'op'),
  }
}

function optionalFilter(value: unknown, field: string): ProfileFilter | undefined {
  if (value === undefined || value === null) return undefined
  const filter = requireObject(value, field)
  return {
    ...optional('caps', optionalStrings(filter['caps'], 'caps')),
    ...optional('arches', optionalStrings(filter['arches'], 'arches')),
    ...optional('minKernel', optionalString(filter['minKernel'], 'minKernel') || undefined),
  }
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
}

function requireObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw undecodable(`${field} must be an object`)
  return value as Record<string, unknown>
}

function requireString(value: unknown, field: string): string {
  if (typeof value !== 'string') throw undecodable(`${field} must be a string`)
  return value
}

function optionalString(value: unknown, field: string): string | undefined {
  return value === undefined || value === null ? undefined : requireString(value, field)
}

function optionalNumber(value: unknown, field: string): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
    throw undecodable(`${field} must be an unsigned integer`)
  return value
}

function optionalList(value: unknown, field: string): unknown[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) throw undecodable(`${field} must be a list`)
  return value
}

function optionalStrings(value: unknown, field: string): string[] | undefined {
  return optionalList(value, field)?.map((item) => requireString(item, field))
}

function undecodable(reason: string): Failure {
  return new Failure('invalid-argument', `Decoding seccomp profile failed: ${reason}`)
}
