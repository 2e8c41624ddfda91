// The `--security-opt` list.
import { Failure } from '../../../base/failure.ts'

export interface SecurityOptions {
  noNewPrivileges: boolean
  /** Absent: Docker's default profile. */
  seccomp: 'default' | 'unconfined' | { profile: string }
  apparmor: string | undefined
  labels: string[]
  writableCgroups: boolean | undefined
}

/** `key=value`, or the old `key:value`. Throws Failure('invalid-argument'). */
export function parseSecurityOptions(
  options: readonly string[],
  defaults: { noNewPrivileges: boolean },
): SecurityOptions {
  const parsed: SecurityOptions = {
    noNewPrivileges: defaults.noNewPrivileges,
    seccomp: 'default',
    apparmor: undefined,
    labels: [],
    writableCgroups: undefined,
  }
  for (const option of options) {
    if (option === 'no-new-privileges') parsed.noNewPrivileges = true
    else if (option === 'writable-cgroups') parsed.writableCgroups = true
    else if (option !== 'disable') applyOption(parsed, option)
  }
  return parsed
}

function applyOption(parsed: SecurityOptions, option: string): void {
  const separator = option.indexOf(option.includes('=') ? '=' : ':')
  if (separator < 0) throw new Failure('invalid-argument', `invalid --security-opt 1: ${JSON.stringify(option)}`)
  const key = option.slice(0, separator)
  const value = option.slice(separator + 1)
  switch (key) {
    case 'label':
      parsed.labels.push(value)
      return
    case 'apparmor':
      parsed.apparmor = value
      return
    case 'seccomp':
      parsed.seccomp = value === 'unconfined' ? 'unconfined' : value === 'builtin' ? 'default' : { profile: value }
      return
    case 'no-new-privileges':
      parsed.noNewPrivileges = parseBoolean(value, option)
      return
    case 'writable-cgroups':
      parsed.writableCgroups = parseBoolean(value, option)
      return
    default:
      throw invalid(option)
  }
}

function parseBoolean(value: string, option: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false
  throw invalid(option)
}

function invalid(option: string): Failure {
  return new Failure('invalid-argument', `invalid --security-opt 2: ${JSON.stringify(option)}`)
}
