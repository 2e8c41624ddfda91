// One blob of the content store as an answer: the whole, or the range that was asked for.
import { Failure } from '../../base/failure.ts'
import { readContent } from '../../containerd/client/read-content.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Engine } from '../engine.ts'
import type { ApiRequest, ApiResponse, HeaderPairs } from '../http/route.ts'
import { takeLease } from '../image/lease.ts'
import { writeTo } from '../logs/write-to.ts'

/** Held while it is sent, whoever removes its image. Throws not-found, and out-of-range for a range that is none of it. */
export async function sendContent(
  engine: Engine,
  request: ApiRequest,
  { digest }: Descriptor,
  { contentType, headers }: { contentType: string; headers: HeaderPairs },
): Promise<ApiResponse> {
  const lease = await takeLease(engine.containerd, engine.id, engine.clock.now())
  try {
    await lease.holdContent(digest)
    const size = Number((await lease.client.content.info({ digest })).info?.size ?? 0)
    const range = chooseRange(request.raw.headers.range, size)
    const length = range.end - range.start
    const isPart = length < size
    const write: Extract<ApiResponse, { kind: 'stream' }>['write'] = async (response) => {
      await using _held = lease
      if (length === 0 || request.raw.method === 'HEAD') return
      const wanted = { offset: range.start, sizeBytes: length, signal: request.signal }
      for await (const piece of readContent(lease.client, digest, wanted)) await writeTo(response, piece)
    }
    return {
      kind: 'stream',
      status: isPart ? 206 : 200,
      contentType,
      headers: [
        ...headers,
        ['Content-Length', String(length)],
        ['Accept-Ranges', 'bytes'],
        ...(isPart ? ([['Content-Range', `bytes ${range.start}-${range.end - 1}/${size}`]] as const) : []),
      ],
      write,
    }
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
}

/** One range of RFC 9110; what is no such range is as if nothing were said. Throws out-of-range where it begins behind the end. */
export function chooseRange(header: string | undefined, size: number): { start: number; end: number } {
  const whole = { start: 0, end: size }
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return whole
  if (first === '') {
    if (Number(last) === 0) throw notSatisfiable(size)
    return { start: Math.max(0, size - Number(last)), end: size }
  }
  const start = Number(first)
  const end = last === '' ? size : Math.min(size, Number(last) + 1)
  if (last !== '' && Number(last) < start) return whole
  if (start >= size) throw notSatisfiable(size)
  return { start, end }
}

function notSatisfiable(size: number): Failure {
  return new Failure('out-of-range', `requested range not satisfiable, the content has ${size} bytes`)
}
