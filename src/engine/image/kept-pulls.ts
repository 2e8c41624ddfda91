// What a pull brings in belongs to a lease of its own, which stays when the line was cut or somebody died, so that the next pull of the same name goes on
// where it broke off. It lists whole blobs and uploads; docs/decisions/resumed-pulls.md says what goes when.
import { randomBytes } from 'node:crypto'
import { isFailure } from '../../base/failure.ts'
import { abortUpload } from '../../containerd/client/abort-upload.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { isUploading, openContentSink, UPLOAD_PREFIX, uploadRef } from '../../containerd/client/content-writer.ts'
import type { Lease as LeaseMessage } from '../../gen/services/leases_pb.ts'
import type { Digest } from '../../oci/digest.ts'
import {
  chooseDropped,
  isCut,
  KEPT_BYTES_MIN,
  KEPT_MS,
  type KeptPull,
  nextExpiryMs,
} from '../../registry/client/kept-pulls.ts'
import type { BlobSink } from '../../registry/client/puller.ts'
import type { Engine } from '../engine.ts'
import { dropLease, EXPIRE_LABEL, OWNER_LABEL } from './lease.ts'

/** The name under which the image was to be stored. */
const PULL_LABEL = 'berth.engine.pull'

type KeepingEngine = Pick<Engine, 'containerd' | 'id' | 'clock'>

/** Of pulls that are under way in this process. */
const underWay = new Set<string>()
const nextSweep = new WeakMap<ContainerdClient, NodeJS.Timeout>()

export interface BroughtContent extends AsyncDisposable {
  /** What is written to it goes on where an earlier pull broke off. */
  readonly sink: BlobSink
  /** The pull has failed: decides what is left when the scope ends. Without it nothing is, but what has another owner by then. */
  failed(error: unknown): void
}

/** Takes over what an earlier pull of the same name has left. */
export async function bringContent(engine: KeepingEngine, recordName: string): Promise<BroughtContent> {
  const { containerd } = engine
  /** Uploads that have not become blobs: those that the lease lists, and those that are too small for that. */
  const unfinished = new Set<string>()
  const small = new Set<string>()
  let lease: Promise<string> | undefined
  let failure: unknown
  const take = (): Promise<string> => {
    lease ??= takeLease(engine, recordName)
    return lease
  }
  const earlier = (await listKept(engine)).filter(({ labels }) => labels[PULL_LABEL] === recordName)
  for (const { id } of earlier) for (const ref of await adopt(containerd, await take(), id)) unfinished.add(ref)
  return {
    sink: {
      ...openContentSink(containerd),
      write: async (descriptor, source, signal) => {
        const [id, ref] = [await take(), uploadRef(descriptor.digest)]
        const uploads = descriptor.size < KEPT_BYTES_MIN ? small : unfinished
        uploads.add(ref)
        if (uploads === unfinished) await addTo(containerd, id, 'ingests', ref)
        await openContentSink(containerd.withLease(id)).write(descriptor, source, signal)
        uploads.delete(ref)
      },
    },
    failed: (error) => {
      failure = error
    },
    [Symbol.asyncDispose]: async () => {
      const id = await lease?.catch(() => undefined)
      if (id === undefined) return
      try {
        for (const ref of small) await dropUpload(containerd, ref)
        // What it held is collected with the pull's other lease, which ends now.
        if (!isCut(failure)) await dropPull(containerd, id, unfinished, false)
      } catch (error) {
        if (!isFailure(error, 'unavailable')) throw error // or when containerd is back
      } finally {
        underWay.delete(id)
      }
      if (isCut(failure)) await sweepKeptPulls(engine).catch(ifAway)
    },
  }
}

/** What nobody comes back for: too old, too much, too little. Call it at start and when containerd was away; from then on it is done when it is due. */
export async function sweepKeptPulls(engine: KeepingEngine): Promise<void> {
  const { containerd, clock } = engine
  clearTimeout(nextSweep.get(containerd))
  const kept: KeptPull[] = []
  for (const { id, labels } of await listKept(engine))
    kept.push({ id, expiresAtMs: Date.parse(labels[EXPIRE_LABEL] ?? ''), bytes: await bytesOf(containerd, id) })
  const dropped = chooseDropped(kept, clock.now())
  for (const id of dropped) await dropPull(containerd, id, (await resourcesOf(containerd, id)).uploads)
  const dueMs = nextExpiryMs(kept, dropped)
  if (dueMs === undefined) return
  const again = () => void sweepKeptPulls(engine).catch(() => {}) // containerd is away: it is done when it is back
  nextSweep.set(containerd, setTimeout(again, Math.min(Math.max(0, dueMs - clock.now()) + 1, KEPT_MS)).unref())
}

/** All of them, whatever their age, because their room is wanted. @returns how many bytes they were. */
export async function dropKeptPulls(engine: KeepingEngine): Promise<number> {
  let bytes = 0
  for (const { id } of await listKept(engine)) {
    bytes += await bytesOf(engine.containerd, id)
    await dropPull(engine.containerd, id, (await resourcesOf(engine.containerd, id)).uploads)
  }
  return bytes
}

/** Names of uploads that a pull of some engine has begun and may come back for. */
export async function listKeptUploads(client: ContainerdClient): Promise<Set<string>> {
  const { leases } = await client.leases.list({ filters: [] })
  const uploads = new Set<string>()
  for (const { id, labels } of leases)
    if (labels[PULL_LABEL] !== undefined) for (const ref of (await resourcesOf(client, id)).uploads) uploads.add(ref)
  return uploads
}

export function isPullLease({ labels }: LeaseMessage): boolean {
  return labels[PULL_LABEL] !== undefined
}

async function takeLease({ containerd, id: engineId, clock }: KeepingEngine, recordName: string): Promise<string> {
  const id = `pulled-${randomBytes(8).toString('hex')}`
  const expires = new Date(clock.now() + KEPT_MS).toISOString()
  underWay.add(id)
  const labels = { [OWNER_LABEL]: engineId, [EXPIRE_LABEL]: expires, [PULL_LABEL]: recordName }
  await containerd.leases.create({ id, labels }).catch((error) => {
    underWay.delete(id)
    throw error
  })
  return id
}

/** This engine's, of pulls that are over. */
async function listKept({ containerd, id: engineId }: KeepingEngine): Promise<LeaseMessage[]> {
  const { leases } = await containerd.leases.list({ filters: [] })
  return leases.filter((one) => isPullLease(one) && one.labels[OWNER_LABEL] === engineId && !underWay.has(one.id))
}

/** First held twice, then once: a crash in between loses nothing. @returns the uploads. */
async function adopt(client: ContainerdClient, id: string, from: string): Promise<readonly string[]> {
  const { blobs, uploads } = await resourcesOf(client, from)
  for (const digest of blobs) await addTo(client, id, 'content', digest)
  for (const ref of uploads) await addTo(client, id, 'ingests', ref)
  await dropLease(client, from, false)
  return uploads
}

/** With its uploads, unless another pull is at one of them now. */
async function dropPull(client: ContainerdClient, id: string, uploads: Iterable<string>, sync = true): Promise<void> {
  for (const ref of uploads) await dropUpload(client, ref)
  await dropLease(client, id, sync)
}

async function dropUpload(client: ContainerdClient, ref: string): Promise<void> {
  const digest = ref.slice(UPLOAD_PREFIX.length) as Digest
  await abortUpload(client, ref, () => isUploading(digest))
}

async function resourcesOf(client: ContainerdClient, id: string): Promise<{ blobs: string[]; uploads: string[] }> {
  const { resources } = await client.leases.listResources({ id }).catch((error: unknown) => {
    if (isFailure(error, 'not-found')) return { resources: [] }
    throw error
  })
  const named = (wanted: string) => resources.flatMap(({ type, id: name }) => (type === wanted ? [name] : []))
  return { blobs: named('content'), uploads: named('ingests').filter((ref) => ref.startsWith(UPLOAD_PREFIX)) }
}

async function bytesOf(client: ContainerdClient, id: string): Promise<number> {
  const { blobs, uploads } = await resourcesOf(client, id)
  const sizes = [
    ...blobs.map(async (digest) => (await client.content.info({ digest })).info?.size),
    ...uploads.map(async (ref) => (await client.content.status({ ref })).status?.offset),
  ].map((size) => size.catch(ifMissing))
  return (await Promise.all(sizes)).reduce<number>((sum, size) => sum + Number(size ?? 0), 0)
}

async function addTo(client: ContainerdClient, id: string, type: string, resourceId: string): Promise<void> {
  await client.leases.addResource({ id, resource: { type, id: resourceId } })
}

function ifMissing(error: unknown): undefined {
  if (!isFailure(error, 'not-found')) throw error
}

function ifAway(error: unknown): void {
  if (!isFailure(error, 'unavailable')) throw error
}
