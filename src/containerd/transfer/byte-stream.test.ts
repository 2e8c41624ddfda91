import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { DataSchema, WindowUpdateSchema } from '../../gen/types/transfer/streaming_pb.ts'
import { packMessage, unpackMessage } from '../client/any.ts'
import { receiveBytes, sendBytes } from './byte-stream.ts'
import { inChunks } from './in-chunks.ts'
import { NamedStream, NamedStreams } from './named-stream.ts'

/** A client's end: what it sends comes out of `inbound`, what it is sent goes to `received`. */
class Peer {
  readonly stream: NamedStream
  readonly gone = new AbortController()
  readonly #messages: Any[] = []
  #wake: () => void = () => {}
  #isDone = false

  constructor() {
    this.stream = new NamedStream(this.#inbound(), this.gone.signal, () => {})
  }

  send(message: Any): void {
    this.#messages.push(message)
    this.#wake()
  }

  data(text: string): void {
    this.send(packMessage(DataSchema, create(DataSchema, { data: Buffer.from(text) })))
  }

  grant(update: number): void {
    this.send(packMessage(WindowUpdateSchema, create(WindowUpdateSchema, { update })))
  }

  end(): void {
    this.#isDone = true
    this.#wake()
  }

  async *#inbound(): AsyncGenerator<Any> {
    for (;;) {
      yield* this.#messages.splice(0)
      if (this.#messages.length > 0) continue
      if (this.#isDone) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

async function* parts(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}

const NEVER = new AbortController().signal

test('the receiver grants a window, and again when it has taken half of it', async () => {
  const peer = new Peer()
  const granted: number[] = []
  const watch = (async () => {
    for await (const message of peer.stream.outbound())
      granted.push(unpackMessage(WindowUpdateSchema, message)?.update ?? 0)
  })()
  peer.data('a'.repeat(40_000))
  peer.data('b'.repeat(20_000))
  peer.send(packMessage(WindowUpdateSchema, create(WindowUpdateSchema, { update: 1 }))) // passed over
  peer.end()
  let size = 0
  for await (const bytes of receiveBytes(peer.stream)) size += bytes.length
  await watch
  assert.equal(size, 60_000)
  assert.deepEqual(granted, [65_536, 65_536])
})

test('the sender stays within the window, and waits for the receiver at the end', async () => {
  const peer = new Peer()
  const sizes: number[] = []
  const sent = sendBytes(peer.stream, parts('x'.repeat(50), 'y'.repeat(30)), NEVER)
  const outbound = peer.stream.outbound()
  const next = async () => unpackMessage(DataSchema, (await outbound.next()).value!)!.data.length
  peer.grant(20)
  sizes.push(await next())
  peer.grant(40)
  sizes.push(await next(), await next())
  peer.grant(100_000)
  sizes.push(await next())
  await sent
  assert.deepEqual(sizes, [20, 30, 10, 20])
  assert.equal((await outbound.next()).done, true)
})

test('a receiver that is gone, or will take no more, ends the sending', async () => {
  for (const leave of [(peer: Peer) => peer.gone.abort(), (peer: Peer) => peer.end()]) {
    const peer = new Peer()
    let isClosed = false
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield Buffer.alloc(1000)
      } finally {
        isClosed = true
      }
    }
    const sent = sendBytes(peer.stream, endless(), NEVER)
    peer.grant(1500)
    leave(peer)
    await assert.rejects(sent, { code: 'cancelled' })
    assert.ok(isClosed)
  }
})

test('a client that is gone ends the receiving', async () => {
  const peer = new Peer()
  const received = (async () => {
    for await (const _ of receiveBytes(peer.stream));
  })()
  peer.gone.abort()
  await assert.rejects(received, { code: 'cancelled' })
})

test('what is small is joined', async () => {
  const sizes: number[] = []
  for await (const chunk of inChunks(parts('a'.repeat(20_000), 'b'.repeat(20_000), 'c'), 30_000))
    sizes.push(chunk.length)
  assert.deepEqual(sizes, [40_000, 1])
})

test('a name is each namespace’s own, taken once, and free again when its stream is closed', () => {
  const streams = new NamedStreams()
  const open = (namespace: string) => streams.open(namespace, 'a', parts() as AsyncIterator<never>, NEVER)
  const first = open('one')
  open('two')
  assert.throws(() => open('one'), { code: 'already-exists' })
  assert.equal(streams.require('one', 'a'), first)
  first.close()
  assert.throws(() => streams.require('one', 'a'), { code: 'not-found' })
  open('one')
})
