import assert from 'node:assert/strict'
import test from 'node:test'
import { isFailure } from '../base/failure.ts'
import {
  decodeError,
  decodeHello,
  decodeProcess,
  decodeSync,
  encodeFrame,
  encodeNumbers,
  encodeState,
  encodeText,
  FRAME,
  FrameDecoder,
} from './frames.ts'
import { StepFailure } from './shim.ts'

test('a request is a header and its parts', () => {
  const frame = encodeFrame(FRAME.resize, 0x0102, encodeText('init'), encodeNumbers([24, 2], [80, 2]))
  assert.equal(frame.toString('hex'), '0a000000050002010400696e697418005000')
})

test('frames come out whole however the bytes are cut', () => {
  const stream = Buffer.concat([
    encodeFrame(1, 2, Buffer.from('abc')),
    encodeFrame(3, 4),
    encodeFrame(5, 6, Buffer.from('z')),
  ])
  for (let size = 1; size <= stream.length; size++) {
    const decoder = new FrameDecoder()
    const got: string[] = []
    for (let at = 0; at < stream.length; at += size)
      for (const frame of decoder.push(stream.subarray(at, at + size)))
        got.push(`${frame.type} ${frame.request} ${frame.payload.toString()}`)
    assert.deepEqual(got, ['1 2 abc', '3 4 ', '5 6 z'])
  }
})

test('a frame that is too long is refused before it is read', () => {
  const header = Buffer.from('0100010001000000', 'hex')
  assert.throws(
    () => new FrameDecoder().push(header),
    (error) => isFailure(error, 'data-loss'),
  )
})

test("a state is a length and its bytes, and no longer than a request's room", () => {
  assert.equal(encodeState('{"é":1}').toString('hex'), '080000007b22c3a9223a317d')
  assert.throws(
    () => encodeState('x'.repeat(64 << 10)),
    (error) => isFailure(error, 'invalid-argument'),
  )
  const longest = encodeFrame(FRAME.proceed, 1, encodeText('n'.repeat(128)), encodeState('x'.repeat((64 << 10) - 256)))
  assert.ok(longest.length - 8 <= 64 << 10)
})

test('payloads of the shim', () => {
  assert.deepEqual(decodeHello(Buffer.from('010039300000', 'hex')), { version: 1, shimPid: 12345 })
  assert.deepEqual(decodeError(Buffer.from('ffffffff02000000', 'hex')), new StepFailure(undefined, 2))
  assert.deepEqual(decodeError(Buffer.from('0300000001000000', 'hex')), new StepFailure(3, 1))
  const hook = { status: 256, stdout: 'o', stderr: 'e' }
  const failed = decodeError(Buffer.from('030000000100000000010000010000006f65', 'hex'))
  assert.deepEqual(failed, new StepFailure(3, 1, hook))
  const exited = Buffer.from('040065786563020700000089000000010000000000000002000000', 'hex')
  assert.deepEqual(decodeProcess(exited), {
    process: 'exec',
    state: 'exited',
    pid: 7,
    exit: { code: 137, exitedAtNs: 1_000_000_002n },
  })
  const sync = Buffer.from('0400696e6974030000000500000007000000', 'hex')
  assert.deepEqual(decodeSync(sync), { process: 'init', point: 3, value: 5, pid: 7 })
  assert.throws(() => decodeSync(Buffer.from('0400696e6974090000000000000007000000', 'hex')), RangeError)
  assert.throws(() => decodeSync(sync.subarray(0, 17)), RangeError)
  assert.throws(() => decodeProcess(exited.subarray(0, 20)), RangeError)
  assert.throws(() => decodeProcess(Buffer.from('000009', 'hex')), RangeError)
})
