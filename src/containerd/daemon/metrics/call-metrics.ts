// grpc_server_*: how often each method was called, what came of it, how long it took. Names as the usual middleware of Go's servers has them.
import type { DescMethod } from '@bufbuild/protobuf'
import type { CallObserver, CallWatch } from '../../../wire/grpc/answer-call.ts'
import { type Family, Histogram, type Labels, type Sample } from '../../../base/metrics/exposition.ts'

/** By gRPC's numbers. */
const CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
]

const TYPES = {
  unary: 'unary',
  server_streaming: 'server_stream',
  client_streaming: 'client_stream',
  bidi_streaming: 'bidi_stream',
} as const

interface Counts {
  labels: Labels
  started: number
  received: number
  sent: number
  handled: Map<string, number>
  seconds: Histogram | undefined
}

export class CallMetrics implements CallObserver {
  readonly #counts = new Map<DescMethod, Counts>()
  readonly #hasHistogram: boolean

  constructor({ hasHistogram }: { hasHistogram: boolean }) {
    this.#hasHistogram = hasHistogram
  }

  begin(method: DescMethod): CallWatch {
    const counts = this.#countsOf(method)
    const startedMs = performance.now()
    counts.started++
    return {
      received() {
        counts.received++
      },
      sent() {
        counts.sent++
      },
      end(status) {
        const code = CODES[status] ?? 'Unknown'
        counts.handled.set(code, (counts.handled.get(code) ?? 0) + 1)
        counts.seconds?.observe((performance.now() - startedMs) / 1000)
      },
    }
  }

  families(): Family[] {
    const all = [...this.#counts.values()]
    const each = (pick: (counts: Counts) => Sample[]) => all.flatMap(pick)
    const counter = (name: string, help: string, key: 'started' | 'received' | 'sent'): Family => ({
      ...{ name: `grpc_server_${name}_total`, help, type: 'counter' },
      samples: each((counts) => [{ labels: counts.labels, value: counts[key] }]),
    })
    return [
      counter('started', 'RPCs that began on this server.', 'started'),
      counter('msg_received', 'Messages of clients that were read whole.', 'received'),
      counter('msg_sent', 'Messages that were answered.', 'sent'),
      {
        ...{ name: 'grpc_server_handled_total', help: 'RPCs that ended, by their outcome.', type: 'counter' },
        samples: each(({ labels, handled }) =>
          [...handled].map(([code, value]) => ({ labels: { ...labels, grpc_code: code }, value })),
        ),
      },
      {
        ...{ name: 'grpc_server_handling_seconds', help: 'How long RPCs took.', type: 'histogram' },
        samples: each(({ labels, seconds }) => seconds?.samples(labels) ?? []),
      },
    ]
  }

  #countsOf(method: DescMethod): Counts {
    const known = this.#counts.get(method)
    if (known !== undefined) return known
    const labels = {
      grpc_method: method.name,
      grpc_service: method.parent.typeName,
      grpc_type: TYPES[method.methodKind],
    }
    const seconds = this.#hasHistogram ? new Histogram() : undefined
    const counts = { labels, started: 0, received: 0, sent: 0, handled: new Map<string, number>(), seconds }
    this.#counts.set(method, counts)
    return counts
  }
}
