import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { EntryOptions } from './entry-output.ts'
import { findTail } from './find-tail.ts'
import { encodeLocalAttributes } from './local-entry.ts'
import { LocalRecords } from './local-records.ts'
import { readLog } from './read-log.ts'

const ALL = { stdout: true, stderr: true, since: undefined, until: undefined, timestamps: false, details: false }
const TIME_NS = 1_767_323_045_600_000_007n

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0))
    if (rest <= 0x7fn) return Buffer.from(bytes)
  }
}

function field(tag: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), varint(BigInt(bytes.length)), bytes])
}

/** A record as Docker writes it, built from the published description of the format. */
function record(
  text: string,
  more: { stream?: string; timeNs?: bigint; partial?: Buffer; tail?: Buffer } = {},
): Buffer {
  const body = Buffer.concat([
    field(0x0a, Buffer.from(more.stream ?? 'stdout')),
    Buffer.concat([Buffer.from([0x10]), varint(more.timeNs ?? TIME_NS)]),
    text === '' ? Buffer.alloc(0) : field(0x1a, Buffer.from(text)),
    more.partial ? Buffer.concat([Buffer.from([0x20, 1]), field(0x2a, more.partial)]) : Buffer.alloc(0),
    more.tail ?? Buffer.alloc(0),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body, length])
}

const piece = (ordinal: number, isLast: boolean) =>
  Buffer.concat([Buffer.from(isLast ? [8, 1] : []), field(0x12, Buffer.from('id')), Buffer.from([0x18, ordinal])])

async function read(path: string, options: Partial<EntryOptions> & { tail?: number } = {}): Promise<string> {
  let text = ''
  await readLog(
    { path, format: 'local', ended: Promise.resolve() },
    { ...ALL, framed: false, tail: undefined, follow: false, ...options },
    async (bytes) => {
      text += bytes.toString()
    },
    new AbortController().signal,
  )
  return text
}

async function inDirectory(work: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-local-'))
  try {
    await work(join(directory, 'container.log'))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('records give lines, pieces of a long line end without one, and attributes are details', () =>
  inDirectory(async (path) => {
    const long = [record('long', { partial: piece(1, false) }), record(' line', { partial: piece(2, true) })]
    const attributed = record('c', { tail: encodeLocalAttributes({ k: 'v w' }) })
    writeFileSync(
      path,
      Buffer.concat([record('a'), record('b', { stream: 'stderr' }), ...long, record(''), attributed]),
    )
    assert.equal(await read(path), 'a\nb\nlong line\n\nc\n')
    assert.equal(await read(path, { stdout: false }), 'b\n')
    assert.equal(await read(path, { tail: 1, details: true }), 'k=v+w c\n')
    assert.equal(await read(path, { tail: 1, timestamps: true }), '2026-01-02T03:04:05.600000007Z c\n')
  }))

test('zeros, as a power loss leaves them, are no records, and tail does not count them', () =>
  inDirectory(async (path) => {
    writeFileSync(path, Buffer.concat([record('a'), record('b'), Buffer.alloc(8 * 100), record('c')]))
    assert.equal(await read(path), 'a\nb\nc\n')
    assert.equal(await read(path, { tail: 2 }), 'b\nc\n')
  }))

test('tail counts records over rotated and compressed files, from the end', () =>
  inDirectory(async (path) => {
    const many = (from: number, to: number) =>
      Buffer.concat(Array.from({ length: to - from }, (_, index) => record(`${from + index}`.padEnd(100, '.'))))
    writeFileSync(`${path}.2.gz`, gzipSync(many(0, 1000)))
    writeFileSync(`${path}.1`, many(1000, 2000))
    writeFileSync(path, many(2000, 3000))
    const numbers = async (tail: number) =>
      (await read(path, { tail })).split('\n').flatMap((line) => line.match(/^\d+/) ?? [])
    for (const tail of [0, 1, 999, 1000, 1001, 2000, 2999, 3000, 9999]) {
      const found = await numbers(tail)
      assert.equal(found.length, Math.min(tail, 3000))
      if (tail > 0) assert.equal(found[0], `${Math.max(0, 3000 - tail)}`)
    }
  }))

test('what is no record ends the file, and half a record waits for its rest', () =>
  inDirectory(async (path) => {
    writeFileSync(path, Buffer.concat([record('a'), record('b').subarray(0, 9)]))
    assert.equal(await read(path), 'a\n')
    appendFileSync(path, record('b').subarray(9))
    assert.equal(await read(path), 'a\nb\n')
    appendFileSync(path, Buffer.from('ffffffff00', 'hex'))
    appendFileSync(path, record('c'))
    assert.equal(await read(path), 'a\nb\n')
  }))

test('records are found whatever the chunks, and say where they ended', () => {
  const bytes = Buffer.concat(['one', '', 'three'].map((text) => record(text)))
  for (let size = 1; size <= bytes.length; size++) {
    const records = new LocalRecords()
    const seen: [string, number][] = []
    for (let at = 0; at < bytes.length; at += size)
      for (const { entry, end } of records.split(bytes.subarray(at, at + size)))
        seen.push([entry.line.toString(), at + end])
    assert.deepEqual(
      seen.map(([text]) => text),
      ['one', '', 'three'],
      `chunks of ${size}`,
    )
    assert.equal(seen.at(-1)?.[1], bytes.length)
    assert.equal(seen[0]?.[1], record('one').length)
  }
})

test('a follower goes on after the file was emptied under it', () =>
  inDirectory(async (path) => {
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    let text = ''
    let wake = () => {}
    const until = async (part: string) => {
      while (!text.includes(part)) await new Promise<void>((resolve) => (wake = resolve))
    }
    writeFileSync(path, Buffer.concat([record('first'), record('second')]))
    const done = readLog(
      { path, format: 'local', ended },
      { ...ALL, framed: false, tail: undefined, follow: true },
      async (bytes) => {
        text += bytes.toString()
        wake()
      },
      new AbortController().signal,
    )
    await until('second')
    writeFileSync(path, record('third'))
    await until('third')
    end()
    await done
    assert.equal(text, 'first\nsecond\nthird\n')
  }))

test('of a gigabyte only the end is read for the last ten entries', async () => {
  for (const [format, entry] of [
    ['json-file', Buffer.from(`{"log":"${'x'.repeat(80)}\\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}\n`)],
    ['local', record('x'.repeat(80))],
  ] as const) {
    const size = entry.length * Math.floor((1 << 30) / entry.length)
    let bytesRead = 0
    const file = {
      inode: 1,
      size: async () => size,
      async read(buffer: Buffer, length: number, position: number) {
        for (let at = 0; at < length; at++) buffer[at] = entry[(position + at) % entry.length] ?? 0
        bytesRead += length
        return length
      },
      async close() {},
    }
    assert.deepEqual(await findTail([file], format, 10), { file: 0, offset: size - 10 * entry.length })
    assert.ok(bytesRead <= 128 * 1024, `${format}: ${bytesRead} bytes`)
  }
})
