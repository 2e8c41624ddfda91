// The seccomp filter as a step. Compiling one takes longer than all other planning, and containers share theirs, so the last ones are kept.
import { Failure } from '../base/failure.ts'
import { compileSeccomp } from '../linux/seccomp/compile-seccomp.ts'
import { filterFlags } from '../linux/seccomp/filter-flags.ts'
import type { SeccompSpec } from '../oci/runtime-spec.ts'
import type { HostFacts } from './plan-types.ts'
import type { StepList } from './step-list.ts'

const KEPT_FILTERS = 8
const compiled = new Map<string, Uint8Array>()

export function planSeccomp(list: StepList, spec: SeccompSpec | undefined, host: HostFacts): void {
  if (spec === undefined) return
  if (spec.listenerPath !== undefined && spec.listenerPath !== '')
    throw new Failure('unimplemented', 'linux.seccomp: listenerPath is not supported')
  list.add('error loading seccomp filter into kernel', {
    op: 'seccomp',
    flags: filterFlags(spec),
    program: filterOf(spec, host),
  })
}

function filterOf(spec: SeccompSpec, host: HostFacts): Uint8Array {
  const key = `${host.arch}${JSON.stringify(spec)}`
  const program = compiled.get(key) ?? compileSeccomp(spec, { arch: host.arch })
  compiled.delete(key) // and in again: the map's order is that of last use
  compiled.set(key, program)
  const [oldest] = compiled.keys()
  if (compiled.size > KEPT_FILTERS && oldest !== undefined) compiled.delete(oldest)
  return program
}
