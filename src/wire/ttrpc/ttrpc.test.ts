// Both ends of ttrpc over a real socket, and the server against clients that keep to nothing.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Failure } from '../../base/failure.ts'
import { silentLog } from '../../base/log.ts'
import { message, text } from '../protobuf/message.ts'
import { DATA_BYTES_MAX, encodeFrame, type Frame, FRAME_FLAG, FRAME_TYPE, FrameParser } from './frames.ts'
import { Request, Response } from './messages.ts'
import { serveTtrpc, type TtrpcServer, ttrpcMethod } from './serve-ttrpc.ts'
import { connectTtrpc, type TtrpcCall, type TtrpcTransport } from './ttrpc-transport.ts'

const Text = message({ text: text(1) })
type Saying = { text: string }
const call = (method: string, service = 'test.Echo'): TtrpcCall<Saying, Saying> => ({
  service,
  method,
  request: Text,
  response: Text,
})

const directory = mkdtempSync(join(tmpdir(), 'ttrpc-'))
const path = join(directory, 's')
let server: TtrpcServer
let client: TtrpcTransport
let aborted: unknown

before(async () => {
  const listener = net.createServer()
  const echo = new Map([
    ['Say', ttrpcMethod(Text, Text, ({ text: said }) => ({ text: said }))],
    [
      'Namespace',
      ttrpcMethod(Text, Text, (_asked, { metadata }) => ({ text: metadata['containerd-namespace-ttrpc'] ?? '' })),
    ],
    ['Large', ttrpcMethod(Text, Text, () => ({ text: 'x'.repeat(DATA_BYTES_MAX) }))],
    [
      'Fail',
      ttrpcMethod(Text, Text, () => {
        throw new Failure('not-found', 'no such thing: not found')
      }),
    ],
    [
      'Break',
      ttrpcMethod(Text, Text, () => {
        throw new TypeError('a bug')
      }),
    ],
    [
      'Never',
      ttrpcMethod(Text, Text, (_asked, { signal }) => {
        signal.addEventListener('abort', () => {
          aborted = signal.reason
        })
        return new Promise<never>(() => {})
      }),
    ],
  ])
  server = serveTtrpc(listener, {
    services: new Map([
      ['test.Echo', echo],
      ['test.Alias', echo],
    ]),
    log: silentLog,
  })
  listener.listen(path)
  await once(listener, 'listening')
  client = await connectTtrpc(path)
})

after(() => {
  client.close()
  server.close()
  rmSync(directory, { recursive: true })
})

test('calls are answered, many at once, each with its own answer, under both names', async () => {
  const words = Array.from({ length: 200 }, (_, at) => `word ${at}`)
  const answers = await Promise.all(
    words.map((word, at) => client.call(call('Say', at % 2 ? 'test.Alias' : 'test.Echo'), { text: word })),
  )
  assert.deepEqual(
    answers.map((answer) => answer.text),
    words,
  )
})

test('metadata arrives, names in lower case', async () => {
  const metadata = { 'Containerd-Namespace-Ttrpc': 'moby' }
  assert.equal((await client.call(call('Namespace'), { text: '' }, { metadata })).text, 'moby')
})

test('failures keep their code and text; what is no failure is unknown', async () => {
  await assert.rejects(client.call(call('Fail'), { text: '' }), {
    code: 'not-found',
    message: 'no such thing: not found',
  })
  await assert.rejects(client.call(call('Break'), { text: '' }), { code: 'unknown', message: 'a bug' })
  await assert.rejects(client.call(call('Gone'), { text: '' }), { code: 'unimplemented', message: 'method Gone' })
  await assert.rejects(client.call(call('Say', 'test.No'), { text: '' }), {
    code: 'unimplemented',
    message: 'service test.No',
  })
})

test('a deadline ends the call on both sides', async () => {
  aborted = undefined
  await assert.rejects(client.call(call('Never'), { text: '' }, { timeoutMs: 30 }), { code: 'deadline-exceeded' })
  while (aborted === undefined) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(aborted instanceof Failure && aborted.code, 'deadline-exceeded')
})

test('a signal gives up on a call; the connection goes on', async () => {
  const controller = new AbortController()
  const gone = client.call(call('Never'), { text: '' }, { signal: controller.signal })
  controller.abort()
  await assert.rejects(gone, { code: 'cancelled' })
  assert.equal((await client.call(call('Say'), { text: 'still' })).text, 'still')
})

test('what is too long is refused: the request here, the answer there, and nobody hangs up', async () => {
  const text = 'x'.repeat(DATA_BYTES_MAX)
  await assert.rejects(client.call(call('Say'), { text }), { code: 'resource-exhausted' })
  await assert.rejects(client.call(call('Large'), { text: '' }), { code: 'resource-exhausted' })
  assert.equal((await client.call(call('Say'), { text: 'after' })).text, 'after')
})

test('a client that goes away takes its calls with it, and a server its clients', async () => {
  aborted = undefined
  const other = await connectTtrpc(path)
  const waiting = other.call(call('Never'), { text: '' })
  await other.call(call('Say'), { text: 'the call before has arrived' })
  other.close()
  await assert.rejects(waiting, { code: 'unavailable', message: 'ttrpc: closed' })
  await assert.rejects(other.call(call('Say'), { text: '' }), { code: 'unavailable' })
  while (aborted === undefined) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(aborted instanceof Failure && aborted.code, 'cancelled')
})

/** Sends raw bytes and reads as many frames as asked for. */
async function raw(
  count: number,
  ...chunks: Uint8Array[]
): Promise<{ streamId: number; code: number; message: string }[]> {
  const socket = net.connect(path)
  const parser = new FrameParser()
  const frames: Frame[] = []
  for (const chunk of chunks) socket.write(chunk)
  for await (const chunk of socket) {
    frames.push(...parser.push(chunk as Buffer))
    if (frames.length >= count) break
  }
  return frames.map(({ streamId, type, data }) => {
    assert.equal(type, FRAME_TYPE.response)
    const { status } = Response.decode(data ?? new Uint8Array(0))
    return { streamId, code: status?.code ?? 0, message: status?.message ?? '' }
  })
}

const say = (streamId: number, flags = 0) =>
  encodeFrame(
    streamId,
    FRAME_TYPE.request,
    Request.encode({ service: 'test.Echo', method: 'Say', payload: Text.encode({ text: 'a' }) }),
    flags,
  )

/** A header that promises more than there may be, and as many bytes. */
function oversizedFrame(streamId: number): Buffer {
  const frame = Buffer.alloc(10 + DATA_BYTES_MAX + 1)
  frame.writeUInt32BE(DATA_BYTES_MAX + 1, 0)
  frame.writeUInt32BE(streamId, 4)
  frame[8] = FRAME_TYPE.request
  return frame
}

test('an oversized frame is answered and passed over, and the next one counts', async () => {
  assert.deepEqual(await raw(2, oversizedFrame(1), say(3)), [
    { streamId: 1, code: 8, message: 'message length 4194305 exceed maximum message size of 4194304' },
    { streamId: 3, code: 0, message: '' },
  ])
})

test('stream ids are odd and only grow', async () => {
  const reuse = 'StreamID cannot be re-used and must increment'
  const answers = await raw(4, say(2), say(5), say(5), say(3))
  assert.deepEqual(
    answers.toSorted((a, b) => a.streamId - b.streamId || b.code - a.code),
    [
      { streamId: 2, code: 3, message: 'StreamID must be odd for client initiated streams' },
      { streamId: 3, code: 3, message: reuse },
      { streamId: 5, code: 3, message: reuse },
      { streamId: 5, code: 0, message: '' },
    ],
  )
})

test('streaming frames: data has no stream to go to; a request of a stream that is over at once is a call', async () => {
  const data = encodeFrame(1, FRAME_TYPE.data, new Uint8Array(0), FRAME_FLAG.remoteClosed | FRAME_FLAG.noData)
  assert.deepEqual(await raw(1, data), [{ streamId: 1, code: 3, message: 'StreamID is no longer active' }])
  assert.deepEqual(await raw(1, say(1, FRAME_FLAG.remoteClosed)), [{ streamId: 1, code: 0, message: '' }])
})

test('frames of unknown type are passed over, malformed requests are told so', async () => {
  const unknown = encodeFrame(1, 9, Buffer.from('whatever'))
  const malformed = encodeFrame(3, FRAME_TYPE.request, Buffer.from('ff', 'hex'))
  const badPayload = encodeFrame(
    5,
    FRAME_TYPE.request,
    Request.encode({ service: 'test.Echo', method: 'Say', payload: Buffer.from('0a05', 'hex') }),
  )
  const answers = await raw(2, unknown, malformed, badPayload)
  assert.deepEqual(
    answers.map(({ streamId, code }) => [streamId, code]),
    [
      [3, 3],
      [5, 3],
    ],
  )
  assert.match(answers[0]!.message, /^unmarshal request error: /)
})

test('frames arrive whole however they are cut', async () => {
  const bytes = Buffer.concat([say(1), say(3), say(5)])
  const parser = new FrameParser()
  const found = [...bytes].flatMap((byte) => parser.push(Buffer.from([byte])))
  assert.deepEqual(
    found.map(({ streamId }) => streamId),
    [1, 3, 5],
  )
  assert.deepEqual(found[1]!.data, say(3).subarray(10))
})

test('noise does not bring the server down', async () => {
  let seed = Number(process.env['FUZZ_SEED'] ?? 1)
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
  for (let round = 0; round < 50; round++) {
    const socket = net.connect(path)
    socket.on('error', () => {})
    const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 400) }, () => Math.floor(random() * 256)))
    if (random() < 0.7 && bytes.length > 10) bytes.set([0, 0, 0, Math.floor(random() * 64), 0, 0, 0, 1, 1, 0])
    socket.end(bytes)
    socket.resume()
    await once(socket, 'close')
  }
  assert.equal((await client.call(call('Say'), { text: 'alive' })).text, 'alive')
})
