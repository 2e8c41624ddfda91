// What a caller asks of the runtime: containerd.runc.v1.Options in an Any.
import { Failure, messageOf } from '../../base/failure.ts'
import type { Message } from '../../wire/protobuf/message.ts'
import { type Any, CheckpointOptions, CreateOptions, Options } from '../../wire/shim-v2/messages.ts'
import type { RuntimeChoice } from './by-command.ts'

const TYPE = 'containerd.runc.v1.Options'
const LEGACY_TYPE = 'containerd.linux.runc.CreateOptions'

/** Nothing asked is nothing wanted; another type than these two is refused. */
export function parseRuntimeOptions(asked: Any | undefined): Options {
  const nothing = Options.decode(new Uint8Array(0))
  if (asked === undefined || asked.value.length === 0) return nothing
  // Some write the type with a host in front.
  const type = asked.typeUrl.slice(asked.typeUrl.lastIndexOf('/') + 1)
  try {
    if (type === TYPE) return Options.decode(asked.value)
    if (type === LEGACY_TYPE) return { ...nothing, ...CreateOptions.decode(asked.value) }
  } catch (error) {
    throw new Failure('invalid-argument', `runtime options: ${messageOf(error)}: invalid argument`, { cause: error })
  }
  throw new Failure('invalid-argument', `runtime options are of type ${asked.typeUrl}, not ${TYPE}: invalid argument`)
}

/** What of them the task code acts on. */
export function choiceOf({ binaryName, root, systemdCgroup, noPivotRoot, noNewKeyring }: Options): RuntimeChoice {
  return { program: binaryName || undefined, root, systemdCgroup, noPivot: noPivotRoot, noNewKeyring }
}

const CHECKPOINT_TYPE = 'containerd.runc.v1.CheckpointOptions'

/** What a caller asks of a checkpoint. */
export function parseCheckpointOptions(asked: Any | undefined): Message<typeof CheckpointOptions> {
  if (asked === undefined || asked.value.length === 0) return CheckpointOptions.decode(new Uint8Array(0))
  if (asked.typeUrl.slice(asked.typeUrl.lastIndexOf('/') + 1) !== CHECKPOINT_TYPE)
    throw new Failure(
      'invalid-argument',
      `checkpoint options are of type ${asked.typeUrl}, not ${CHECKPOINT_TYPE}: invalid argument`,
    )
  return CheckpointOptions.decode(asked.value)
}
