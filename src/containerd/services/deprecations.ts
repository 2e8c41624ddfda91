// What clients use though it is on its way out: told to whoever asks introspection.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { DeprecationWarningSchema } from '../../gen/services/introspection_pb.ts'

const PREFIX = 'io.containerd.deprecation/'
const MESSAGES = {
  'runtime-v1': 'The runtime io.containerd.runtime.v1.linux is deprecated: use io.containerd.runc.v2.',
  'runtime-runc-v1': 'The runtime io.containerd.runc.v1 is deprecated: use io.containerd.runc.v2.',
} as const

export type DeprecationId = keyof typeof MESSAGES

/** Forgotten with the process, as with containerd. */
export class Deprecations {
  readonly #lastMs = new Map<DeprecationId, number>()

  /** It was used just now. */
  record(id: DeprecationId): void {
    this.#lastMs.set(id, Date.now())
  }

  list(): MessageInitShape<typeof DeprecationWarningSchema>[] {
    return [...this.#lastMs].map(([id, ms]) => ({
      id: `${PREFIX}${id}`,
      message: MESSAGES[id],
      lastOccurrence: timestampFromMs(ms),
    }))
  }
}

/** Undefined for a runtime that is not. */
export function deprecationOf(runtime: string): DeprecationId | undefined {
  if (runtime === 'io.containerd.runtime.v1.linux') return 'runtime-v1'
  return runtime === 'io.containerd.runc.v1' ? 'runtime-runc-v1' : undefined
}
