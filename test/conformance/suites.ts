// The suites that there are.
import { runcBats } from './runc-bats.ts'
import { runtimeTools } from './runtime-tools.ts'
import type { Suite } from './suite.ts'

const SUITES: readonly Suite[] = [runtimeTools, runcBats]

/** All where none is named. Throws for a name that none has. */
export function suitesNamed(name: string | undefined): readonly Suite[] {
  if (name === undefined) return SUITES
  const found = SUITES.filter((suite) => suite.name === name)
  if (found.length === 0) throw new Error(`no suite is named ${name}: ${SUITES.map((suite) => suite.name).join(', ')}`)
  return found
}
