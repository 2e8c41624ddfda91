// The specs that requests carry.
import { Failure } from '../../base/failure.ts'
import type { Any } from '../../wire/shim-v2/messages.ts'

/** Specs travel as JSON in an Any whose type URL clients spell in several ways; the value is what counts. */
export function jsonOf(packed: Any | undefined): unknown {
  if (packed === undefined) throw new Failure('invalid-argument', 'a spec is required: invalid argument')
  try {
    return JSON.parse(Buffer.from(packed.value).toString('utf8'))
  } catch (error) {
    throw new Failure('invalid-argument', `spec of type ${packed.typeUrl} is not JSON: invalid argument`, {
      cause: error,
    })
  }
}
