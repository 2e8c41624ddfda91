// The environment of a process, and where its program may lie.
import { posix } from 'node:path'
import { Failure } from '../base/failure.ts'
import type { ProcessSpec } from '../oci/runtime-spec.ts'
import type { RootfsFacts } from './plan-types.ts'
import { findHome } from './user.ts'

/** The last of several values of one name counts; HOME is the user's directory where the spec gives none. */
export function planEnvironment(process: ProcessSpec, rootfs: RootfsFacts): string[] {
  const values = new Map<string, string>()
  for (const [index, entry] of (process.env ?? []).entries()) {
    const field = `process.env[${index}]`
    const equals = entry.indexOf('=')
    if (equals < 0)
      throw new Failure('invalid-argument', `${field}: invalid environment variable: missing '=': ${entry}`)
    if (equals === 0)
      throw new Failure('invalid-argument', `${field}: invalid environment variable: name cannot be empty: ${entry}`)
    values.set(entry.slice(0, equals), entry)
  }
  const home = values.get('HOME')
  if (home === undefined || home === 'HOME=')
    values.set('HOME', `HOME=${findHome(rootfs.passwd, process.user?.uid ?? 0)}`)
  return [...values.values()]
}

const CANDIDATES_MAX = 128

/** A name with a slash is a path; every other one is looked for along PATH. Relative entries of PATH are passed over: they are a trap. */
export function programCandidates(program: string, env: readonly string[]): string[] {
  if (program.includes('/')) return [program]
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? ''
  if (program === '') return []
  return path
    .split(':')
    .filter((directory) => directory.startsWith('/'))
    .slice(0, CANDIDATES_MAX)
    .map((directory) => posix.join(directory, program))
}
