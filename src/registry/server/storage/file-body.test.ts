// Files on their way to clients: every byte once and in order, and nothing stays open.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { FileBody } from './file-body.ts'
import type { ByteRange } from './store.ts'

const directory = mkdtempSync(join(tmpdir(), 'file-body-'))
const path = join(directory, 'data')
const BYTES = randomBytes((3 << 20) + 17)
writeFileSync(path, BYTES)
test.after(() => rmSync(directory, { recursive: true }))

const RANGES: (ByteRange | undefined)[] = [
  undefined,
  { start: 0, end: BYTES.length - 1 },
  { start: 5, end: 5 },
  { start: 512 * 1024 - 1, end: 1024 * 1024 },
  { start: BYTES.length - 10, end: BYTES.length - 1 },
]

async function openBody(range?: ByteRange): Promise<FileBody> {
  return new FileBody(await open(path, 'r'), range)
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false // the one that listed them
    }
  }).length
}

/** Returns when it is closed. */
async function contentOf(body: FileBody): Promise<Buffer> {
  const closed = new Promise((resolve) => body.once('close', resolve))
  try {
    return await buffer(body)
  } finally {
    await closed
  }
}

/** Looks at each piece only after a while, when it is about to say that it has been taken. */
function slowTarget(onTaken: (piece: Buffer) => void): Writable {
  return new Writable({
    write: (piece: Buffer, _encoding, callback) => {
      setTimeout(() => {
        onTaken(piece)
        callback()
      }, 5)
    },
  })
}

test('a range is sent whole, and a piece does not change while it is written', async () => {
  for (const range of RANGES) {
    const taken: Buffer[] = []
    const target = slowTarget((piece) => void taken.push(Buffer.from(piece)))
    await (await openBody(range)).sendTo(target)
    assert.deepEqual(Buffer.concat(taken), BYTES.subarray(range?.start, range && range.end + 1))
    assert.equal(target.writableFinished, true)
  }
  assert.equal(openFiles(), 0)
})

test('as a stream it gives the same, and its chunks may be kept', async () => {
  for (const range of RANGES)
    assert.deepEqual(await contentOf(await openBody(range)), BYTES.subarray(range?.start, range && range.end + 1))
  assert.equal(openFiles(), 0)
})

test('a target that closes, before, meanwhile, or with a write that it never answers, ends the sending', async () => {
  const whole = { start: 0, end: BYTES.length - 1 }
  const closed = slowTarget(() => {})
  closed.destroy()
  await assert.rejects((await openBody(whole)).sendTo(closed))
  const closing = slowTarget(() => closing.destroy())
  await assert.rejects((await openBody(whole)).sendTo(closing))
  const silent = new Writable({ write: () => void setTimeout(() => silent.destroy(), 5) })
  await assert.rejects((await openBody(whole)).sendTo(silent))
  const failing = new Writable({ write: (_piece, _encoding, callback) => callback(new Error('broken')) })
  failing.on('error', () => {})
  await assert.rejects((await openBody(whole)).sendTo(failing), /broken/)
  assert.equal(openFiles(), 0)
})

test('a file that is shorter than it should be is no whole answer', async () => {
  const range = { start: 0, end: BYTES.length }
  const target = slowTarget(() => {})
  target.on('error', () => {})
  await assert.rejects((await openBody(range)).sendTo(target), /ends at 3145745, not at 3145746/)
  assert.deepEqual([target.destroyed, target.writableFinished], [true, false])
  await assert.rejects(contentOf(await openBody(range)), /ends at/)
  assert.equal(openFiles(), 0)
})
