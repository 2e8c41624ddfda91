// The routes of containers' files: each reads its request, calls its verb and shapes the answer.
import type { ServerResponse } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { createDeflateRaw, createGzip } from 'node:zlib'
import type { ContainerConfig, ContainerCreateRequest } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'
import { commitContainer } from '../container/commit.ts'
import type { Container } from '../container/container.ts'
import { decodeCommitRequest } from '../container/decode-create-request.ts'
import { decompressUpload } from './decompress-upload.ts'
import type { Engine } from '../engine.ts'
import { isTrue } from '../http/query.ts'
import type { ApiRequest, ApiResponse, Handlers } from '../http/route.ts'
import { parseRepoTag } from '../image/tag.ts'
import { writeTo } from '../logs/write-to.ts'
import { archiveContainerPath, type ContainerPath, extractToContainer, statContainerPath } from './archive.ts'
import { listContainerChanges } from './changes.ts'
import { type ContentEncoding, negotiateEncoding } from './content-encoding.ts'
import { exportContainer } from './export.ts'
import type { PathStat } from './files-job.ts'

export function fileHandlers(engine: Engine): Handlers {
  return {
    'HEAD /containers/{id}/archive': async (request) => {
      const stat = await statContainerPath(engine, placeOf(engine, request), request.signal)
      return { kind: 'empty', status: 200, headers: [statHeader(stat)] }
    },
    'GET /containers/{id}/archive': (request) => download(engine, request),
    'PUT /containers/{id}/archive': (request) => upload(engine, request),
    'GET /containers/{id}/export': (request) => exportRoot(engine, request),
    'POST /commit': (request) => commit(engine, request),
    'GET /containers/{id}/changes': async (request) => {
      const container = engine.containers.require(request.params['id'] ?? '')
      const changes = await listContainerChanges(engine, container, request.signal)
      return { kind: 'json', status: 200, body: changes.length === 0 ? null : changes }
    },
  }
}

function placeOf(engine: Engine, { params, query }: ApiRequest): ContainerPath {
  const name = params['id'] ?? ''
  const path = query.get('path') ?? ''
  if (path === '') throw new Failure('invalid-argument', 'bad parameter: pathcannot be empty')
  return { container: engine.containers.require(name), name, path }
}

function statHeader(stat: PathStat): readonly [string, string] {
  return ['X-Docker-Container-Path-Stat', Buffer.from(goJson(stat)).toString('base64')]
}

/** As Go's encoder writes text that may end up in a page. */
function goJson(stat: PathStat): string {
  return JSON.stringify(stat).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function download(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const encoding = negotiateEncoding(request.raw.headers['accept-encoding'])
  const place = placeOf(engine, request)
  return answeredBy(request.signal, (answer) =>
    archiveContainerPath(engine, place, request.signal, ({ stat, content }) =>
      answer({
        contentType: 'application/x-tar',
        headers: [statHeader(stat), ...(encoding === 'identity' ? [] : ([['Content-Encoding', encoding]] as const))],
        content: encoded(content, encoding),
      }),
    ),
  )
}

function exportRoot(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const container = engine.containers.require(request.params['id'] ?? '')
  return answeredBy(request.signal, (answer) =>
    exportContainer(engine, container, request.signal, async (content) => {
      const pieces = content[Symbol.asyncIterator]()
      const first = await pieces.next() // what fails before it has a status of its own
      await answer({ contentType: 'application/octet-stream', headers: [], content: from(first, pieces) })
    }),
  )
}

async function* from(first: IteratorResult<Uint8Array>, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let next = first; !next.done; next = await rest.next()) yield next.value
}

interface Download {
  contentType: string
  headers: readonly (readonly [string, string])[]
  content: AsyncIterable<Uint8Array>
}

/**
 * The response is sent while `work` waits for it in the middle: what it holds is let go of when all is sent, or when the signal says that nobody will
 * ask for it, as where an authorization plugin has denied the answer.
 */
function answeredBy(
  signal: AbortSignal,
  work: (answer: (download: Download) => Promise<void>) => Promise<void>,
): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    const answer = ({ contentType, headers, content }: Download): Promise<void> =>
      new Promise((done, fail) => {
        const write = async (response: ServerResponse): Promise<void> => {
          try {
            for await (const bytes of content) await writeTo(response, bytes)
            done()
          } catch (error) {
            fail(error)
            throw error
          }
        }
        const cancel = () => fail(new Failure('cancelled', 'context canceled'))
        if (signal.aborted) cancel()
        signal.addEventListener('abort', cancel, { once: true })
        resolve({ kind: 'stream', status: 200, contentType, headers, write })
      })
    work(answer).catch(reject) // after the answer has begun its writer has told already
  })
}

function encoded(content: AsyncIterable<Uint8Array>, encoding: ContentEncoding): AsyncIterable<Uint8Array> {
  if (encoding === 'identity') return content
  const transform = encoding === 'gzip' ? createGzip() : createDeflateRaw()
  // The error reaches the iteration by the transform, which the pipeline destroys with it.
  pipeline(Readable.from(content, { objectMode: false }), transform, () => {})
  return transform as AsyncIterable<Buffer>
}

async function upload(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const place = placeOf(engine, request)
  const options = {
    keepsKinds: isTrue(request.query, 'noOverwriteDirNonDir'),
    copiesIds: isTrue(request.query, 'copyUIDGID'),
  }
  // Whoever stops reading in the middle has still to answer: the connection stays.
  const sent = request.raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  await extractToContainer(engine, place, decompressUpload(sent), options, request.signal)
  return { kind: 'empty', status: 200 }
}

async function commit(engine: Engine, request: ApiRequest): Promise<ApiResponse> {
  const { query } = request
  const body = await request.json()
  const repo = query.get('repo') ?? ''
  const id = await commitContainer(
    engine,
    requireCommitted(engine, query.get('container') ?? ''),
    {
      reference: repo === '' ? undefined : parseRepoTag(repo, query.get('tag') ?? ''),
      comment: query.get('comment') ?? '',
      author: query.get('author') ?? '',
      pauses: isTrue(query, 'pause', true),
      changes: query.getAll('changes'),
      config: body === undefined || body === null ? undefined : configOf(decodeCommitRequest(body)),
    },
    request.signal,
  )
  return { kind: 'json', status: 201, body: { Id: id } }
}

function requireCommitted(engine: Engine, name: string): Container {
  if (name === '') throw new Failure('invalid-argument', 'invalid name or ID supplied: ""')
  return engine.containers.require(name)
}

function configOf({ HostConfig: _, NetworkingConfig: __, ...config }: ContainerCreateRequest): ContainerConfig {
  return config
}
