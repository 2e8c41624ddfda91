// Servers that begin an answer and do not come to its end.
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { ManualClock } from '../../../test/harness/manual-clock.ts'
import { sendRequest } from './http-request.ts'
import { paced, SlowAnswer } from './paced-body.ts'

test('a head that comes byte by byte is not waited for', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {}) // the other side gives up, which is what is wanted
    socket.write('HTTP/1.1 200 OK\r\nx: ')
    const drip = setInterval(() => socket.write('x'), 5)
    socket.on('close', () => clearInterval(drip))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/`)
    const request = { method: 'GET', url, headers: {}, insecure: false, signal: AbortSignal.timeout(30_000) } as const
    await assert.rejects(sendRequest({ ...request, headTimeoutMs: 100 }), {
      code: 'unavailable',
      message: `Get "${url}": net/http: timeout awaiting response headers`,
    })
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
})

/** Each part after so many milliseconds of a clock that stands still otherwise. */
async function* parts(clock: ManualClock, count: number, bytes: number, everyMs: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < count; at++) {
    clock.advance(everyMs)
    yield Buffer.alloc(bytes)
  }
}

async function read(source: AsyncIterable<Buffer>, each: () => void = () => {}): Promise<number> {
  let bytes = 0
  for await (const part of source) {
    bytes += part.length
    each()
  }
  return bytes
}

test('so many bytes a minute are enough, fewer are not', async () => {
  const clock = new ManualClock(0)
  assert.equal(await read(paced(parts(clock, 240, 300, 1000), { clock })), 72_000, 'a modem')
  await assert.rejects(read(paced(parts(clock, 240, 200, 1000), { clock })), SlowAnswer)
  await assert.rejects(read(paced(parts(clock, 10, 1, 59_000), { clock })), SlowAnswer, 'never silent for a minute')
})

test('who takes the bytes may take his time', async () => {
  const clock = new ManualClock(0)
  assert.equal(await read(paced(parts(clock, 10, 100, 10), { clock }), () => clock.advance(600_000)), 1000)
})

test('a document has to be there in time, however fast it comes', async () => {
  const clock = new ManualClock(0)
  await assert.rejects(read(paced(parts(clock, 400, 100_000, 1000), { clock, totalMsMax: 300_000 })), SlowAnswer)
})
