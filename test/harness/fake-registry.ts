// A registry in this process that says what a test wants it to say: the wrong bytes, half of them, or none.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { type TarSource, writeTar } from '../../src/wire/tar/write-tar.ts'

export interface Blob {
  mediaType: string
  bytes: Buffer
}

/** What is served as one image; every part can be wrong on its own. */
export interface FakeImage {
  manifest: Buffer
  manifestType: string
  blobs: Map<string, Buffer>
}

/** Answers true when it has dealt with the request. */
export type Interference = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>

export interface FakeRegistry extends AsyncDisposable {
  host: string
  /** `GET /v2/…` with the headers that came along. */
  requests: { line: string; authorization: string | undefined }[]
  serve(name: string, image: FakeImage): void
  /** Undefined: all goes its way. */
  interfere: Interference | undefined
}

export async function startFakeRegistry(): Promise<FakeRegistry> {
  const images = new Map<string, FakeImage>()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const registry: FakeRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    interfere: undefined,
    serve: (name, image) => images.set(name, image),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
    registry.requests.push({
      line: `${request.method} ${request.url}`,
      authorization: request.headers.authorization,
    })
    if (await registry.interfere?.(request, response)) return
    answer(images, request, response)
  })
  return registry
}

function answer(images: ReadonlyMap<string, FakeImage>, request: IncomingMessage, response: ServerResponse): void {
  const [, name = '', kind = '', reference = ''] =
    /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)(?:\?|$)/.exec(request.url ?? '') ?? []
  if (request.url === '/v2/') return void response.end('{}')
  const image = images.get(name)
  if (kind === 'manifests' && image !== undefined) {
    response.setHeader('content-type', image.manifestType)
    return sendBytes(request, response, image.manifest)
  }
  const blob = image?.blobs.get(reference)
  if (blob !== undefined) return sendBytes(request, response, blob)
  response.statusCode = 404
  const code = kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN'
  const message = kind === 'blobs' ? 'blob unknown to registry' : 'manifest unknown'
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ errors: [{ code, message }] }))
}

function sendBytes(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  response.setHeader('content-length', bytes.length - from)
  if (from > 0) {
    response.statusCode = 206
    response.setHeader('content-range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`)
  }
  response.end(request.method === 'HEAD' ? undefined : bytes.subarray(from))
}

export interface FakeLayer {
  bytes: Buffer
  mediaType?: string
  /** Of the uncompressed bytes. */
  diffId: Digest
}

export async function tarOf(sources: readonly TarSource[]): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of writeTar(sources)) parts.push(part)
  return Buffer.concat(parts)
}

export async function layerOf(...sources: TarSource[]): Promise<FakeLayer> {
  const tar = await tarOf(sources)
  return { bytes: gzipSync(tar), diffId: digestOf(tar) }
}

/** An image that is in order, unless its layers are not or `changes` say so. */
export function fakeImage(
  layers: readonly FakeLayer[],
  changes: { config?: Buffer; manifest?: Record<string, unknown> } = {},
): FakeImage {
  const config =
    changes.config ??
    Buffer.from(
      JSON.stringify({
        os: 'linux',
        architecture: 'amd64',
        config: { Cmd: ['sh'] },
        rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      }),
    )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(config), size: config.length },
      layers: layers.map(({ bytes, mediaType = MEDIA_TYPE.ociLayerGzip }) => ({
        mediaType,
        digest: digestOf(bytes),
        size: bytes.length,
      })),
      ...changes.manifest,
    }),
  )
  const blobs = [config, ...layers.map(({ bytes }) => bytes)].map((bytes) => [digestOf(bytes), bytes] as const)
  return { manifest, manifestType: MEDIA_TYPE.ociManifest, blobs: new Map(blobs) }
}
