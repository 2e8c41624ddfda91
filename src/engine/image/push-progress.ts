// Turns what happens to layers on their way to a registry into Docker's words, and not faster than anyone can read.
import type { Clock } from '../../base/clock.ts'
import { shortId } from '../../base/ids.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { PushProgress } from '../../registry/client/push-image.ts'
import type { ApiVersion } from '../http/route.ts'
import type { ImageContent } from './image-store.ts'
import type { SendProgress } from './progress-response.ts'
import { layerMessage } from './progress-stream.ts'

const PUSHING_MS = 100

export class PushReporter implements PushProgress {
  readonly #send: SendProgress
  readonly #version: ApiVersion
  readonly #clock: Clock
  /** Layers go by what they unpack to, as in all that Docker's users see of a push. */
  readonly #names: ReadonlyMap<Digest, Digest>
  readonly #lastMs = new Map<Digest, number>()

  constructor(options: { send: SendProgress; version: ApiVersion; clock: Clock; image: ImageContent }) {
    this.#send = options.send
    this.#version = options.version
    this.#clock = options.clock
    const diffIds = options.image.config.rootfs.diff_ids
    this.#names = new Map(options.image.layers.map(({ digest }, index) => [digest, diffIds[index] ?? digest]))
  }

  preparing(layer: Descriptor): void {
    this.#tell(layer, 'Preparing')
  }

  waiting(layer: Descriptor): void {
    this.#tell(layer, 'Waiting')
  }

  pushing(layer: Descriptor, doneBytes: number): void {
    const now = this.#clock.monotonic()
    if (doneBytes < layer.size && now - (this.#lastMs.get(layer.digest) ?? Number.NEGATIVE_INFINITY) < PUSHING_MS)
      return
    this.#lastMs.set(layer.digest, now)
    this.#tell(layer, 'Pushing', { current: doneBytes, total: layer.size })
  }

  retrying(layer: Descriptor, seconds: number): void {
    this.#tell(layer, `Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`)
  }

  pushed(layer: Descriptor, how: 'exists' | 'mounted' | 'sent', mountedFrom: string | undefined): void {
    const words = { exists: 'Layer already exists', mounted: `Mounted from ${mountedFrom ?? ''}`, sent: 'Pushed' }
    this.#tell(layer, words[how])
  }

  #tell({ digest }: Descriptor, status: string, detail: { current?: number; total?: number } = {}): void {
    this.#send(layerMessage(this.#version, shortId(this.#names.get(digest) ?? digest), status, detail))
  }
}
