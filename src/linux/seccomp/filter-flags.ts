// The flags of seccomp(SECCOMP_SET_MODE_FILTER) that an OCI seccomp section asks for.
import { Failure } from '../../base/failure.ts'
import type { SeccompSpec } from '../../oci/runtime-spec.ts'

export const FLAGS: Readonly<Record<string, number>> = {
  // The filter is set before the program starts, when there is one thread: nothing to synchronise.
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 1 << 1,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 1 << 2,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 1 << 5,
}

/** Without a list, speculative store bypass is left alone, as runc does: the mitigation costs much and guards little. */
export function filterFlags(spec: SeccompSpec): number {
  if (spec.flags === undefined) return 1 << 2
  let flags = 0
  for (const name of spec.flags) {
    const flag = Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined
    if (flag === undefined)
      throw new Failure('invalid-argument', `seccomp flag ${JSON.stringify(name)} is not supported`)
    flags |= flag
  }
  return flags
}
