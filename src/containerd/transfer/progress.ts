// What a transfer tells of itself: single events, and the state of each blob, a few times a second (containerd's names and order).
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { ProgressSchema } from '../../gen/types/transfer/progress_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import { packMessage } from '../client/any.ts'
import { ingestRef } from './ingest-ref.ts'
import type { NamedStream } from './named-stream.ts'

export type Report = (event: string, fields?: ProgressFields) => void

export interface ProgressFields {
  name?: string
  parents?: readonly string[]
  done?: number
  total?: number
  descriptor?: Descriptor
}

/** Events that nobody reads are dropped. */
export function reportTo(stream: NamedStream | undefined): Report {
  if (stream === undefined) return () => {}
  return (event, { name = '', parents = [], done = 0, total = 0, descriptor } = {}) => {
    const message: MessageInitShape<typeof ProgressSchema> = {
      event,
      name,
      parents: [...parents],
      progress: BigInt(done),
      total: BigInt(total),
      ...(descriptor === undefined ? {} : { desc: descriptorMessage(descriptor) }),
    }
    stream.send(packMessage(ProgressSchema, create(ProgressSchema, message)))
  }
}

export function descriptorMessage({ mediaType, digest, size, annotations }: Descriptor): {
  mediaType: string
  digest: string
  size: bigint
  annotations: Record<string, string>
} {
  return { mediaType, digest, size: BigInt(size), annotations: annotations ?? {} }
}

const INTERVAL_MS = 300

type JobState = 'waiting' | 'moving' | 'complete' | 'extracting' | 'extracted'

interface Job {
  descriptor: Descriptor
  name: string
  parents: readonly string[]
  state: JobState
  done: number
  /** What was last told. */
  told: JobState
  toldDone: number
}

/** Follows the blobs of one transfer. Disposing tells how they ended. */
export class BlobProgress implements Disposable {
  readonly #report: Report
  readonly #root: string
  readonly #verb: 'downloading' | 'uploading'
  readonly #jobs = new Map<Digest, Job>()
  readonly #parents = new Map<Digest, string[]>()
  readonly #timer: NodeJS.Timeout

  /** `root`: the name of what is transferred, which the first blob belongs to. */
  constructor(report: Report, root: string, verb: 'downloading' | 'uploading') {
    this.#report = report
    this.#root = root
    this.#verb = verb
    this.#timer = setInterval(() => this.#tell(), INTERVAL_MS)
    this.#timer.unref()
  }

  add(descriptor: Descriptor): void {
    this.#jobOf(descriptor)
  }

  addChildren(parent: Descriptor, children: readonly Descriptor[]): void {
    for (const { digest } of children) {
      const parents = this.#parents.get(digest) ?? []
      parents.push(ingestRef(parent))
      this.#parents.set(digest, parents)
    }
  }

  moved(descriptor: Descriptor, done: number): void {
    const job = this.#jobOf(descriptor)
    job.done = done
    job.state = 'moving'
  }

  completed(descriptor: Descriptor): void {
    const job = this.#jobOf(descriptor)
    if (job.state === 'waiting' || job.state === 'moving') job.state = 'complete'
  }

  alreadyThere(descriptor: Descriptor): void {
    const job = this.#jobOf(descriptor)
    const { size } = descriptor
    this.#report('already exists', { name: job.name, done: size, total: size, descriptor })
    job.state = job.told = 'complete'
  }

  extracting(descriptor: Descriptor): void {
    const job = this.#jobOf(descriptor)
    job.state = 'extracting'
    job.done = 0
  }

  extracted(descriptor: Descriptor): void {
    this.#jobOf(descriptor).state = 'extracted'
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#tell()
  }

  #jobOf(descriptor: Descriptor): Job {
    const known = this.#jobs.get(descriptor.digest)
    if (known !== undefined) return known
    const name = ingestRef(descriptor)
    const parents = this.#parents.get(descriptor.digest) ?? [this.#root]
    const job: Job = { descriptor, name, parents, state: 'waiting', done: 0, told: 'waiting', toldDone: 0 }
    this.#jobs.set(descriptor.digest, job)
    this.#report('waiting', { name, parents, total: descriptor.size, descriptor })
    return job
  }

  #tell(): void {
    for (const job of this.#jobs.values()) this.#tellJob(job)
  }

  #tellJob(job: Job): void {
    const { descriptor, name, parents, state } = job
    const { size } = descriptor
    const tell = (event: string, done: number) => this.#report(event, { name, parents, done, total: size, descriptor })
    if (state === 'moving' && job.done > job.toldDone) tell(this.#verb, job.done)
    else if (state === 'extracting') tell('extracting', job.done)
    else if (state !== job.told && state === 'complete') tell('complete', size)
    else if (state !== job.told && state === 'extracted') tell('extracted', size)
    job.told = state
    job.toldDone = job.done
  }
}
