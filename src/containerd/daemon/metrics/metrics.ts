// What is counted while the daemon runs, and what is measured when somebody asks.
import { CONTAINERD_VERSION } from '../../services/version.ts'
import { CallMetrics } from './call-metrics.ts'
import { type Family, Histogram } from '../../../base/metrics/exposition.ts'
import { processFamilies } from '../../../base/metrics/process-metrics.ts'

export class Metrics {
  readonly calls: CallMetrics
  readonly #collections = { success: 0, fail: 0 }
  readonly #collectionSeconds = new Histogram()

  constructor({ grpcHistogram }: { grpcHistogram: boolean }) {
    this.calls = new CallMetrics({ hasHistogram: grpcHistogram })
  }

  collected({ ms, isFailed }: { ms: number; isFailed: boolean }): void {
    this.#collections[isFailed ? 'fail' : 'success']++
    if (!isFailed) this.#collectionSeconds.observe(ms / 1000)
  }

  /** Of the daemon; tasks are measured by whoever knows them. */
  families(): Family[] {
    return [
      {
        ...{ name: 'containerd_build_info_total', help: 'Version of the daemon.', type: 'counter' },
        samples: [{ labels: { revision: '', version: CONTAINERD_VERSION }, value: 1 }],
      },
      {
        ...{
          name: 'containerd_gc_collections_total',
          help: 'Collections of garbage by their outcome.',
          type: 'counter',
        },
        samples: Object.entries(this.#collections).map(([status, value]) => ({ labels: { status }, value })),
      },
      {
        ...{ name: 'containerd_gc_gc_seconds', help: 'How long collections of garbage took.', type: 'histogram' },
        samples: this.#collectionSeconds.samples({}),
      },
      ...this.calls.families(),
      ...processFamilies(),
    ]
  }
}
