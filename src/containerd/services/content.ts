// containerd.services.content.v1
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Failure } from '../../base/failure.ts'
import {
  type Content,
  InfoSchema,
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponse,
  WriteContentResponseSchema,
} from '../../gen/services/content_pb.ts'
import { type Digest, parseDigest } from '../../oci/digest.ts'
import type { ServiceHandlers } from '../../wire/grpc/service.ts'
import { IN_PLACE_HEADER } from '../client/upload-file.ts'
import type { ContentStore } from '../content/content-store.ts'
import type { Ingest } from '../content/ingest.ts'
import type { CollectScheduler } from '../gc/collect-scheduler.ts'
import { leaseOf, namespaceOf } from './call-namespace.ts'

const LIST_BATCH = 100

export function createContentService(
  content: ContentStore,
  collector: CollectScheduler,
): ServiceHandlers<typeof Content> {
  return {
    info: ({ digest }, context) => ({ info: content.require(namespaceOf(context), parseDigest(digest)) }),
    update: async ({ info, updateMask }, context) => ({
      info: await content.update(
        namespaceOf(context),
        info ?? create(InfoSchema),
        updateMask?.paths ?? [],
        leaseOf(context),
      ),
    }),
    async *list({ filters }, context) {
      const infos = content.list(namespaceOf(context), filters)
      for (let at = 0; at < infos.length; at += LIST_BATCH) yield { info: infos.slice(at, at + LIST_BATCH) }
    },
    delete: async ({ digest }, context) => {
      await content.delete(namespaceOf(context), parseDigest(digest))
      collector.schedule()
      return {}
    },
    async *read({ digest, offset, size }, context) {
      let at = toCount(offset)
      for await (const data of content.read(namespaceOf(context), parseDigest(digest), at, toCount(size))) {
        yield { offset: BigInt(at), data }
        at += data.length
      }
    },
    status: ({ ref }, context) => ({ status: content.status(namespaceOf(context), ref) }),
    listStatuses: ({ filters }, context) => ({ statuses: content.listStatuses(namespaceOf(context), filters) }),
    async *write(requests, context) {
      const namespace = namespaceOf(context)
      const isInPlace = context.headers[IN_PLACE_HEADER] !== undefined
      let ingest: Ingest | undefined
      try {
        for await (const request of requests) {
          ingest ??= await content.openIngest({
            namespace,
            ref: request.ref,
            totalBytes: toCount(request.total),
            expected: expectedOf(request),
            leaseId: leaseOf(context),
          })
          yield await applyWrite(content, ingest, request, isInPlace)
          if (request.action === WriteAction.COMMIT) return
        }
      } finally {
        await ingest?.close()
      }
    },
    abort: async ({ ref }, context) => {
      await content.abort(namespaceOf(context), ref)
      return {}
    },
  }
}

async function applyWrite(
  content: ContentStore,
  ingest: Ingest,
  request: WriteContentRequest,
  isInPlace: boolean,
): Promise<WriteContentResponse> {
  if (request.ref !== '' && request.ref !== ingest.request.ref)
    throw new Failure('invalid-argument', 'ref cannot change within a write: invalid argument')
  let offset = ingest.sizeBytes
  let digest: Digest | undefined
  if (request.action !== WriteAction.STAT) offset = await takeData(ingest, request, isInPlace)
  if (request.action === WriteAction.COMMIT)
    digest = await content.commit(ingest, {
      sizeBytes: toCount(request.total),
      digest: expectedOf(request),
      labels: request.labels,
    })
  return create(WriteContentResponseSchema, {
    action: request.action,
    startedAt: timestampFromMs(ingest.startedAtMs),
    updatedAt: timestampFromMs(ingest.updatedAtMs),
    offset: BigInt(offset),
    total: BigInt(ingest.totalBytes),
    digest: digest ?? (request.action === WriteAction.STAT ? ingest.digest() : ''),
  })
}

/** Writes continue where the upload stands, or start it over at 0. @param isInPlace what has no data tells how far it was appended to the file. */
async function takeData(ingest: Ingest, request: WriteContentRequest, isInPlace: boolean): Promise<number> {
  const at = toCount(request.offset)
  if (isInPlace && request.data.length === 0 && at > ingest.sizeBytes) {
    await ingest.takeAppended(at)
    return at
  }
  if (at > 0 && at !== ingest.sizeBytes)
    throw new Failure('out-of-range', `write @${at} must occur at current offset ${ingest.sizeBytes}: out of range`)
  if (at === 0 && ingest.sizeBytes > 0) await ingest.truncate()
  if (request.data.length > 0) await ingest.write(request.data)
  return ingest.sizeBytes
}

function expectedOf(request: WriteContentRequest): Digest | undefined {
  return request.expected === '' ? undefined : parseDigest(request.expected)
}

function toCount(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new Failure('invalid-argument', `not a size: ${value}: invalid argument`)
  return Number(value)
}
