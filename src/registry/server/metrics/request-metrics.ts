// What requests cost, under the original's names (registry/metrics).
import { type Family, Histogram, type Sample } from '../../../base/metrics/exposition.ts'

export interface FinishedRequest {
  method: string
  /** The endpoint's kind: names of repositories would be too many. */
  handler: string
  status: number
  seconds: number
  received: number
  sent: number
}

export class RequestMetrics {
  readonly #requests = new Map<string, { labels: Record<string, string>; count: number }>()
  readonly #durations = new Map<string, Histogram>()
  #inFlight = 0
  #received = 0
  #sent = 0

  begin(): void {
    this.#inFlight++
  }

  end({ method, handler, status, seconds, received, sent }: FinishedRequest): void {
    this.#inFlight--
    this.#received += received
    this.#sent += sent
    const labels = { code: String(status), handler, method: METHODS.has(method) ? method.toLowerCase() : 'other' }
    const key = Object.values(labels).join(' ')
    const known = this.#requests.get(key) ?? { labels, count: 0 }
    known.count++
    this.#requests.set(key, known)
    const histogram = this.#durations.get(handler) ?? new Histogram()
    histogram.observe(seconds)
    this.#durations.set(handler, histogram)
  }

  families(): Family[] {
    const single = (value: number): Sample[] => [{ labels: {}, value }]
    return [
      {
        ...{ name: 'registry_http_requests_total', help: 'Requests that were answered.', type: 'counter' },
        samples: [...this.#requests.values()].map(({ labels, count }) => ({ labels, value: count })),
      },
      {
        ...{ name: 'registry_http_request_duration_seconds', help: 'From head to last byte.', type: 'histogram' },
        samples: [...this.#durations].flatMap(([handler, histogram]) => histogram.samples({ handler })),
      },
      {
        ...{ name: 'registry_http_in_flight_requests', help: 'Requests under way.', type: 'gauge' },
        samples: single(this.#inFlight),
      },
      {
        ...{ name: 'registry_http_received_bytes_total', help: 'Bodies of requests.', type: 'counter' },
        samples: single(this.#received),
      },
      {
        ...{ name: 'registry_http_sent_bytes_total', help: 'Bodies and heads of answers.', type: 'counter' },
        samples: single(this.#sent),
      },
    ]
  }
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
