import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Failure } from '../../../base/failure.ts'
import type { Log } from '../../../base/log.ts'
import { loadCursor, saveCursor } from './cursor.ts'
import type { ForwardConnection, ForwardDriver } from './forward-driver.ts'
import { Forwarder } from './forwarder.ts'

function deferred<T>(): { promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** A record of the local format: the line, and its number as the time. */
function record(line: string, time: number): Buffer {
  const body = Buffer.concat([
    Buffer.from([0x0a, 6]),
    Buffer.from('stdout'),
    Buffer.from([0x10, time, 0x1a, line.length]),
    Buffer.from(line),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body, length])
}

class Fixture implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'berth-forward-'))
  readonly path = join(this.directory, 'container-cached.log')
  readonly sent: string[] = []
  failures = 0

  write(...lines: string[]): void {
    writeFileSync(this.path, Buffer.concat(lines.map((line) => record(line, Number(line)))), { flag: 'a' })
  }

  /** Until all that is there has been sent. */
  async forward(): Promise<void> {
    const driver: ForwardDriver = {
      isNeededAtStart: false,
      connect: async () => ({
        send: async (entries) => {
          if (this.failures-- > 0) throw new Failure('unavailable', 'not now')
          this.sent.push(...entries.map(({ line }) => line.toString()))
        },
        close() {},
      }),
    }
    const forwarder = new Forwarder({
      driver,
      path: this.path,
      directory: this.directory,
      containerId: 'c',
      log: QUIET,
    })
    forwarder.finish()
    await forwarder.done
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true })
  }
}

test('what was sent is not sent again by the next, also when the file was rotated meanwhile', async () => {
  using log = new Fixture()
  log.write('1', '2')
  await log.forward()
  log.write('3')
  renameSync(log.path, `${log.path}.1`)
  log.write('4')
  await log.forward()
  await log.forward()
  assert.deepEqual(log.sent, ['1', '2', '3', '4'])
})

test('what fails is sent again, whole', async () => {
  using log = new Fixture()
  log.write('1', '2', '3')
  log.failures = 2
  await log.forward()
  assert.deepEqual(log.sent, ['1', '2', '3'])
})

test('where the file is gone, time tells what is left to send', async () => {
  using log = new Fixture()
  log.write('1', '2')
  await log.forward()
  rmSync(log.path)
  log.write('1', '2', '3')
  // The same inode may have been given again: then it is the record before the offset that does not fit.
  const cursor = loadCursor(log.directory)
  assert.ok(cursor)
  saveCursor(log.directory, { ...cursor, inode: 1 })
  await log.forward()
  assert.deepEqual(log.sent, ['1', '2', '2', '3']) // at least once
})

test('a cursor that points into an emptied file, or that is damaged, loses nothing', async () => {
  using log = new Fixture()
  log.write('1', '2')
  await log.forward()
  writeFileSync(log.path, '')
  log.write('3')
  await log.forward()
  writeFileSync(join(log.directory, 'log-forward.json'), '{"version":1,"ino')
  await log.forward()
  assert.deepEqual(log.sent, ['1', '2', '3', '3'])
})

test('an abort does not wait for a collector that does not answer, and what answers later is let go', async () => {
  using log = new Fixture()
  log.write('1')
  const asked = deferred<void>()
  const answer = deferred<ForwardConnection>()
  const closed = deferred<void>()
  const driver: ForwardDriver = {
    isNeededAtStart: false,
    connect: () => {
      asked.resolve()
      return answer.promise
    },
  }
  const { path, directory } = log
  const forwarder = new Forwarder({ driver, path, directory, containerId: 'c', log: QUIET })
  await asked.promise
  await forwarder.abort()
  answer.resolve({ send: () => Promise.reject(new Error('too late')), close: closed.resolve })
  await closed.promise
})

test('zeros that a power loss has left are no entries', async () => {
  using log = new Fixture()
  log.write('1')
  writeFileSync(log.path, Buffer.alloc(8 * 1000), { flag: 'a' })
  log.write('2')
  await log.forward()
  assert.deepEqual(log.sent, ['1', '2'])
})
