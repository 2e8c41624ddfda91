// POST /images/create?fromSrc=: an image of one layer, out of the tar archive that the client sends or that a URL gives.
import { inBatches } from '../../base/batches.ts'
import { UndoStack } from '../../base/undo-stack.ts'
import { BERTH_VERSION } from '../../api/versions.ts'
import { formatRfc3339Nano } from '../../base/clock.ts'
import { Failure } from '../../base/failure.ts'
import { hostPlatform, parsePlatform } from '../../oci/parse-platform.ts'
import { familiarReference } from '../../oci/parse-reference.ts'
import type { Platform } from '../../oci/platform.ts'
import type { Reference } from '../../oci/reference.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse } from '../http/route.ts'
import { applyChanges } from './changes/apply-changes.ts'
import { openUrl, parseUrl } from './open-url.ts'
import { danglingName, recordNameOf } from './image-names.ts'
import { endLater, takeLease } from './lease.ts'
import { answerWithProgress } from './progress-response.ts'
import { layerMessage } from './progress-stream.ts'
import { publishImageEvent } from './publish-image-event.ts'
import { storeImage } from './store-image.ts'
import { storeLayer } from './store-layer.ts'
import { parseRepoTag } from './tag.ts'
import { unpackImage } from './unpack-image.ts'

export async function importImage(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { query, version, signal } = request
  const source = query.get('fromSrc') ?? ''
  const repo = query.get('repo') ?? ''
  const options = {
    reference: repo === '' ? undefined : parseRepoTag(repo, query.get('tag') ?? ''),
    message: query.get('message') || `Imported from ${source}`,
    platform: readPlatform(request),
    config: applyChanges({}, query.getAll('changes')),
    signal,
  }
  return await answerWithProgress(request, async (send) => {
    let archive: AsyncIterable<Buffer> = inBatches(request.raw)
    if (source !== '-') {
      const url = parseUrl(source)
      const { content, size } = await openUrl(url, signal)
      send({ status: `Downloading from ${url.text}` })
      archive = told(content, (current, isLast) => {
        const { id: _, ...line } = layerMessage(version, '', 'Importing', { current, total: size })
        send(line)
        if (isLast) send({}) // clients end the line of the bar with it
      })
    }
    send({ status: await makeImage(engine, archive, options) })
  })
}

interface ImportOptions {
  reference: Reference | undefined
  message: string
  platform: Platform
  config: ReturnType<typeof applyChanges>
  signal: AbortSignal
}

async function makeImage(engine: Engine, archive: AsyncIterable<Buffer>, options: ImportOptions): Promise<string> {
  const { reference, message, platform, config, signal } = options
  await using undo = new UndoStack()
  const lease = undo.use(await takeLease(engine.containerd, engine.id, engine.clock.now()))
  const { descriptor, diffId } = await storeLayer(lease, archive, signal)
  const created = formatRfc3339Nano(engine.clock.now())
  const document = {
    created,
    docker_version: BERTH_VERSION,
    config,
    architecture: platform.architecture,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: platform.os,
    comment: message,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, comment: message }],
  }
  const image = await storeImage(engine, lease, { config: document, layers: [descriptor], isDocker: false }, signal)
  await unpackImage(engine, lease, image, signal)
  const recordName = reference === undefined ? danglingName(image.target.digest) : recordNameOf(reference)
  await engine.images.tag(image, recordName, lease.client)
  if (reference !== undefined) publishImageEvent(engine, 'tag', image.id, familiarReference(reference), image)
  publishImageEvent(engine, 'import', image.id, image.id, image)
  endLater(engine, undo.release())
  return image.id
}

function readPlatform({ query, version }: ApiRequest): Platform {
  const text = query.get('platform') ?? ''
  const platform = text === '' || !version.atLeast('1.32') ? hostPlatform() : parsePlatform(text)
  if (platform.os !== 'linux') throw new Failure('invalid-argument', 'operating system is not supported')
  return platform
}

const TOLD_BYTES = 512 * 1024

async function* told(
  content: AsyncIterable<Buffer>,
  tell: (doneBytes: number, isLast: boolean) => void,
): AsyncGenerator<Buffer> {
  let done = 0
  let toldAt = 0
  for await (const part of content) {
    yield part
    done += part.length
    if (done - toldAt < TOLD_BYTES) continue
    toldAt = done
    tell(done, false)
  }
  tell(done, true)
}
