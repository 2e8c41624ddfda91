// Blobs from registries that cut, lie, drip or are busy, and from one over a line that breaks twenty times.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { startCuttingProxy } from '../../../test/harness/cutting-proxy.ts'
import { fakeImage, type FakeRegistry, startFakeRegistry } from '../../../test/harness/fake-registry.ts'
import { ManualClock } from '../../../test/harness/manual-clock.ts'
import { openTestRegistry, pushBlob } from '../../../test/harness/our-registry.ts'
import type { Clock } from '../../base/clock.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { digestOf } from '../../oci/digest.ts'
import { MEDIA_TYPE } from '../../oci/media-type.ts'
import { fetchBlob, type FetchBlobOptions } from './fetch-blob.ts'
import { RegistrySession } from './registry-session.ts'

const BLOB = randomBytes(300_000)
const descriptorOf = (bytes: Buffer): Descriptor => ({
  mediaType: MEDIA_TYPE.ociLayer,
  digest: digestOf(bytes),
  size: bytes.length,
})

function sessionAt(host: string, clock?: Clock, isMirror = false): RegistrySession {
  const endpoint = { schemes: ['http' as const], host, insecure: true, isMirror }
  return new RegistrySession(endpoint, {
    repository: 'app',
    actions: 'pull',
    auth: undefined,
    ...(clock === undefined ? {} : { clock }),
  })
}

/** @returns what came, also of a download that fails: then with the reason. */
async function download(
  host: string,
  options: Partial<FetchBlobOptions> & { bytes?: Buffer; isMirror?: boolean } = {},
): Promise<{ came: Buffer; error: unknown }> {
  const parts: Buffer[] = []
  const { bytes = BLOB, clock, isMirror, ...rest } = options
  const blob = fetchBlob(sessionAt(host, clock, isMirror), descriptorOf(bytes), {
    signal: AbortSignal.timeout(60_000),
    onProgress() {},
    ...rest,
    ...(clock === undefined ? {} : { clock }),
  })
  try {
    for await (const part of blob) parts.push(part)
    return { came: Buffer.concat(parts), error: undefined }
  } catch (error) {
    return { came: Buffer.concat(parts), error }
  }
}

async function withRegistry(work: (registry: FakeRegistry, ranges: (string | undefined)[]) => Promise<void>) {
  await using registry = await startFakeRegistry()
  registry.serve('app', { ...fakeImage([]), blobs: new Map([[digestOf(BLOB), BLOB]]) })
  await work(registry, [])
}

/** As fast as the machine goes, so that nothing waits for real minutes. */
async function winding<T>(clock: ManualClock, stepMs: number, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => clock.advance(stepMs), 1)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

test('only the rest is asked for where some is here, and nothing where all is', () =>
  withRegistry(async (registry) => {
    const seen: (string | undefined)[] = []
    registry.interfere = ({ headers }) => {
      seen.push(headers.range)
      return false
    }
    const progress: number[] = []
    const rest = await download(registry.host, { offset: 100_000, onProgress: (done) => progress.push(done) })
    assert.deepEqual(rest.came, BLOB.subarray(100_000))
    assert.deepEqual(seen, ['bytes=100000-'])
    assert.ok(progress[0]! > 100_000 && progress.at(-1) === BLOB.length, 'counted from the beginning')
    assert.deepEqual(await download(registry.host, { offset: BLOB.length }), {
      came: Buffer.alloc(0),
      error: undefined,
    })
    assert.equal(seen.length, 1)
  }))

test('a wrong answer to a range is not believed: the whole is asked for, once and for all', async () => {
  const size = BLOB.length
  const lies: [what: string, status: number, headers: Record<string, string>][] = [
    ['another start', 206, { 'content-range': `bytes 99999-${size - 1}/${size}` }],
    ['an earlier end', 206, { 'content-range': `bytes 100000-${size - 2}/${size}` }],
    ['a later end', 206, { 'content-range': `bytes 100000-${size}/*` }],
    ['another total', 206, { 'content-range': `bytes 100000-${size - 1}/${size + 1}` }],
    ['no range', 206, {}],
    ['several', 206, { 'content-type': 'multipart/byteranges; boundary=x' }],
    ['nonsense', 206, { 'content-range': 'bytes a-b/c' }],
    ['numbers that are none', 206, { 'content-range': `bytes 1e5-${size - 1}/${size}` }],
    ['no such range', 416, { 'content-range': `bytes */5` }],
  ]
  for (const [what, status, headers] of lies)
    await withRegistry(async (registry, ranges) => {
      registry.interfere = (request, response) => {
        ranges.push(request.headers.range)
        if (request.headers.range === undefined) return false
        response.writeHead(status, headers).end(Buffer.alloc(200_000, 'lie'))
        return true
      }
      const { came, error } = await download(registry.host, { offset: 100_000 })
      assert.ifError(error)
      assert.ok(came.equals(BLOB.subarray(100_000)), what)
      assert.deepEqual(ranges, ['bytes=100000-', undefined], what)
    })
})

test('a server without ranges starts over, and what is here is passed over', () =>
  withRegistry(async (registry) => {
    let cuts = 0
    registry.interfere = (_, response) => {
      response.writeHead(200, { 'content-length': BLOB.length })
      if (cuts++ < 3) response.write(BLOB.subarray(0, cuts * 70_000), () => response.destroy())
      else response.end(BLOB)
      return true
    }
    const { came, error } = await download(registry.host)
    assert.ifError(error)
    assert.ok(came.equals(BLOB))
    assert.equal(cuts, 4)
  }))

test('a part that nobody asked for is refused', () =>
  withRegistry(async (registry) => {
    registry.interfere = (_, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-9/${BLOB.length}` }).end(BLOB.subarray(0, 10))
      return true
    }
    const { came, error } = await download(registry.host)
    assert.match(String(error), /received unexpected HTTP status: 206 Partial Content/)
    assert.equal(came.length, 0)
  }))

/** Until whoever reads is gone. @returns how much was sent by then. */
function sendForever(response: ServerResponse, part: Buffer): () => number {
  let sent = 0
  const more = () => {
    while (!response.destroyed) {
      sent += part.length
      if (!response.write(part)) return void response.once('drain', more)
    }
  }
  more()
  return () => sent
}

for (const [what, status, offset] of [
  ['a whole', 200, 0],
  ['a whole where a part was asked for', 200, 1000],
  ['a part', 206, 1000],
] as const)
  test(`a body without an end (${what}) is left where the blob ends: bounded on the wire and in memory`, () =>
    withRegistry(async (registry) => {
      let sentBytes: () => number = () => 0
      registry.interfere = (_, response) => {
        const range = `bytes ${offset}-${BLOB.length - 1}/${BLOB.length}`
        response.writeHead(status, status === 206 ? { 'content-range': range } : {})
        sentBytes = sendForever(response, Buffer.alloc(65_536))
        return true
      }
      const { came, error } = await download(registry.host, { offset })
      assert.match(
        String(error),
        /filesystem layer verification failed for digest sha256:\w+: content is longer than its descriptor says/,
      )
      assert.ok(came.length <= BLOB.length - offset)
      assert.ok(sentBytes() < 32 << 20, `${sentBytes()} bytes were taken, or wait in sockets`)
      assert.equal(registry.requests.length, 1, 'and is not asked again')
    }))

test('a body that is announced as longer is not even begun', () =>
  withRegistry(async (registry) => {
    registry.interfere = (_, response) => {
      response.writeHead(200, { 'content-length': BLOB.length + 1 })
      response.write(BLOB)
      return true
    }
    const { came, error } = await download(registry.host)
    assert.match(String(error), /content is longer than its descriptor says/)
    assert.equal(came.length, 0)
  }))

test('a refusal without an end is a refusal', () =>
  withRegistry(async (registry) => {
    let sentBytes: () => number = () => 0
    registry.interfere = (_, response) => {
      response.writeHead(404)
      sentBytes = sendForever(response, Buffer.alloc(65_536, ' '))
      return true
    }
    const { error } = await download(registry.host)
    assert.match(String(error), /manifest unknown|404/)
    assert.ok(sentBytes() < 32 << 20)
  }))

test('a server that drips is given up, though it is never silent', () =>
  withRegistry(async (registry) => {
    const clock = new ManualClock(Date.now())
    const timers: NodeJS.Timeout[] = []
    registry.interfere = ({ headers }, response) => {
      const at = Number(/\d+/.exec(headers.range ?? '0')?.[0])
      const range = { 'content-range': `bytes ${at}-${BLOB.length - 1}/${BLOB.length}` }
      response.writeHead(at > 0 ? 206 : 200, at > 0 ? range : {})
      let next = at
      timers.push(setInterval(() => response.write(BLOB.subarray(next, ++next)), 2))
      return true
    }
    try {
      const { came, error } = await winding(clock, 500, () => download(registry.host, { clock }))
      assert.match(
        String(error),
        /context deadline exceeded \(Client\.Timeout or context cancellation while reading body\)/,
      )
      assert.equal(registry.requests.length, 5, 'bytes that drip are no reason to try for ever')
      assert.ok(came.length > 0 && came.equals(BLOB.subarray(0, came.length)))
    } finally {
      for (const timer of timers) clearInterval(timer)
    }
  }))

const busy = (status: number, retryAfter: string | undefined, times: number) => {
  let left = times
  return (_: IncomingMessage, response: ServerResponse) => {
    if (left-- <= 0) return false
    response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter })
    response.end('{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}')
    return true
  }
}

test('a busy registry is asked again when it says, and not before', async () => {
  for (const [status, retryAfter, waitMs] of [
    [429, '7', 7000],
    [503, '20', 20_000],
    [429, 'DATE', 9000],
  ] as const)
    await withRegistry(async (registry) => {
      const clock = new ManualClock(1_800_000_000_000)
      const startMs = clock.now()
      const header = retryAfter === 'DATE' ? new Date(startMs + waitMs).toUTCString() : retryAfter
      registry.interfere = busy(status, header, 1)
      const { came, error } = await winding(clock, 100, () => download(registry.host, { clock }))
      assert.ifError(error)
      assert.ok(came.equals(BLOB))
      assert.ok(clock.now() - startMs >= waitMs, `after ${clock.now() - startMs} ms`)
      assert.equal(registry.requests.length, 2)
    })
})

test('one that wants more patience than there is, is told as it is', async () => {
  for (const [status, retryAfter, words] of [
    [429, '3600', /^Failure: toomanyrequests: slow down$/],
    [503, '999999999999999', /received unexpected HTTP status: 503 Service Unavailable/],
  ] as const)
    await withRegistry(async (registry) => {
      registry.interfere = busy(status, retryAfter, Number.POSITIVE_INFINITY)
      const { error } = await download(registry.host, { clock: new ManualClock(Date.now()) })
      assert.match(String(error), words)
      assert.equal(registry.requests.length, 1, 'nor asked again at once')
    })
  await withRegistry(async (registry) => {
    const clock = new ManualClock(Date.now())
    registry.interfere = busy(429, '0', Number.POSITIVE_INFINITY)
    const { error } = await winding(clock, 100, () => download(registry.host, { clock }))
    assert.match(String(error), /toomanyrequests: slow down/)
    assert.equal(registry.requests.length, 6, 'five pauses')
  })
})

test('in place of a busy mirror there is another', () =>
  withRegistry(async (registry) => {
    registry.interfere = busy(429, '1', Number.POSITIVE_INFINITY)
    const clock = new ManualClock(Date.now())
    const { error } = await download(registry.host, { clock, isMirror: true, hasAlternative: true })
    assert.match(String(error), /toomanyrequests/)
    assert.equal(registry.requests.length, 1)
  }))

test('a wait for a busy registry ends with its pull', () =>
  withRegistry(async (registry) => {
    const stop = new AbortController()
    registry.interfere = (request, response) => {
      setImmediate(() => stop.abort(new Error('enough')))
      return busy(429, '30', 1)(request, response)
    }
    const { error } = await download(registry.host, { clock: new ManualClock(Date.now()), signal: stop.signal })
    assert.match(String(error), /enough/)
  }))

test('twenty cuts in one layer: berth-registry sends each byte once', async () => {
  await using registry = await openTestRegistry()
  const layer = randomBytes(8 << 20)
  await pushBlob(registry.url, 'app', layer)
  await using proxy = await startCuttingProxy(registry.address)
  proxy.bytesMax = 390_000
  proxy.cutsMax = 20
  const { came, error } = await download(proxy.host, { bytes: layer, clock: new HastyClock() })
  assert.ifError(error)
  assert.ok(came.equals(layer))
  assert.equal(proxy.cuts, 20)
  const heads = 22 * 1024
  assert.ok(proxy.passedBytes <= layer.length + heads, `${proxy.passedBytes - layer.length} bytes more than the layer`)
})

/** Pauses take no time. */
class HastyClock implements Clock {
  now(): number {
    return Date.now()
  }

  monotonic(): number {
    return performance.now()
  }

  async sleep(): Promise<void> {}
}
