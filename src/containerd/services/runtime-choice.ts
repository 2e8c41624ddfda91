// The runtime that a container's record and a task's request name, as the task verbs take it.
import { fromBinary } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { Failure, messageOf } from '../../base/failure.ts'
import { OptionsSchema } from '../../gen/runc/options_pb.ts'
import type { Container_Runtime } from '../../gen/services/containers_pb.ts'
import type { RuntimeChoice } from '../tasks/by-command.ts'
import { BUILT_IN } from '../tasks/find-runtime.ts'

/** Names of shims whose place our own task code takes. Another one would be a program that we do not start. */
const SERVED = new Set([
  '',
  'io.containerd.runc.v1',
  'io.containerd.runc.v2',
  'io.containerd.runtime.v1.linux',
  'io.containerd.berth.v2',
])

/** The task's options win over the container's. Throws `not-found` in containerd's words for a runtime that is not here. */
export function runtimeOf(recorded: Container_Runtime | undefined, asked: Any | undefined): RuntimeChoice {
  const name = recorded?.name ?? ''
  if (!SERVED.has(name))
    throw new Failure(
      'not-found',
      `failed to start shim: failed to resolve runtime path: runtime ${JSON.stringify(name)} binary not installed: not found`,
    )
  const options = asked ?? recorded?.options
  if (options === undefined || options.value.length === 0) return BUILT_IN
  if (options.typeUrl.slice(options.typeUrl.lastIndexOf('/') + 1) !== OptionsSchema.typeName)
    throw new Failure('invalid-argument', `runtime options are of type ${options.typeUrl}: invalid argument`)
  try {
    const { binaryName, root, systemdCgroup, noPivotRoot, noNewKeyring } = fromBinary(OptionsSchema, options.value)
    return { program: binaryName || undefined, root, systemdCgroup, noPivot: noPivotRoot, noNewKeyring }
  } catch (error) {
    throw new Failure('invalid-argument', `runtime options: ${messageOf(error)}: invalid argument`, { cause: error })
  }
}

/** Where a task's request says that a checkpoint lies, and criu may write; empty where it does not. */
export function criuPathsOf(asked: Any | undefined): { criuImagePath: string; criuWorkPath: string } {
  const isOurs = asked?.typeUrl.slice(asked.typeUrl.lastIndexOf('/') + 1) === OptionsSchema.typeName
  if (asked === undefined || !isOurs) return { criuImagePath: '', criuWorkPath: '' }
  try {
    return fromBinary(OptionsSchema, asked.value)
  } catch (error) {
    throw new Failure('invalid-argument', `runtime options: ${messageOf(error)}: invalid argument`, { cause: error })
  }
}
