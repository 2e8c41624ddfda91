// Turns what happens to layers into Docker's words, once each, and not faster than anyone can read.
import type { ProgressMessage } from '../../api/image-types.ts'
import type { Clock } from '../../base/clock.ts'
import { shortId } from '../../base/ids.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { PullProgress } from '../../registry/client/puller.ts'
import type { ApiVersion } from '../http/route.ts'
import { layerMessage } from './progress-stream.ts'

const DOWNLOADING_MS = 100

export class PullReporter implements PullProgress {
  readonly #send: (message: ProgressMessage) => void
  readonly #version: ApiVersion
  readonly #clock: Clock
  readonly #opening: ProgressMessage
  readonly #told = new Map<string, string>()
  readonly #lastDownloadMs = new Map<string, number>()
  #isOpen = false

  constructor(options: {
    send: (message: ProgressMessage) => void
    version: ApiVersion
    clock: Clock
    /** `library/busybox` and `latest`. */
    path: string
    tag: string
  }) {
    this.#send = options.send
    this.#version = options.version
    this.#clock = options.clock
    this.#opening = { status: `Pulling from ${options.path}`, id: options.tag }
  }

  /** The first line, as soon as the registry has answered with something; until then a failure has a status of its own. */
  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#send(this.#opening)
  }

  onLayer(descriptor: Descriptor, state: Parameters<PullProgress['onLayer']>[1], doneBytes: number): void {
    this.open()
    switch (state) {
      case 'waiting':
        this.#tell(descriptor, 'Pulling fs layer')
        return
      case 'downloading':
        this.#tell(descriptor, 'Pulling fs layer')
        this.#downloading(descriptor, doneBytes)
        return
      case 'verifying':
        this.#tell(descriptor, 'Verifying Checksum')
        return
      case 'downloaded':
        this.#tell(descriptor, 'Download complete')
        return
      case 'exists':
        return // whether it is also unpacked is known later: `Already exists` or `Pull complete`
    }
  }

  extracting(descriptor: Descriptor): void {
    this.open()
    this.#tell(descriptor, 'Extracting', { current: descriptor.size, total: descriptor.size })
  }

  unpacked(descriptor: Descriptor): void {
    this.#tell(descriptor, 'Pull complete')
  }

  alreadyThere(descriptor: Descriptor): void {
    this.open()
    const before = this.#told.get(descriptor.digest) ?? 'Pulling fs layer'
    // Its bytes may have had to be fetched all the same.
    this.#tell(descriptor, before === 'Pulling fs layer' ? 'Already exists' : 'Pull complete')
  }

  #downloading(descriptor: Descriptor, doneBytes: number): void {
    const now = this.#clock.monotonic()
    if (now - (this.#lastDownloadMs.get(descriptor.digest) ?? Number.NEGATIVE_INFINITY) < DOWNLOADING_MS) return
    this.#lastDownloadMs.set(descriptor.digest, now)
    const detail = { current: doneBytes, total: descriptor.size }
    this.#send(layerMessage(this.#version, shortId(descriptor.digest), 'Downloading', detail))
    this.#told.set(descriptor.digest, 'Downloading')
  }

  #tell(descriptor: Descriptor, status: string, detail: { current?: number; total?: number } = {}): void {
    const before = this.#told.get(descriptor.digest)
    if (before === status || (status === 'Pulling fs layer' && before !== undefined)) return
    this.#told.set(descriptor.digest, status)
    this.#send(layerMessage(this.#version, shortId(descriptor.digest), status, detail))
  }
}
