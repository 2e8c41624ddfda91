import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StdcopyDecoder } from './stdcopy.ts'

const frame = (stream: number, text: string) =>
  Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)])

test('frames are told apart wherever the chunks are cut', () => {
  const bytes = Buffer.concat([frame(1, 'hello '), frame(2, 'oops'), frame(1, ''), frame(1, 'world')])
  for (let size = 1; size <= bytes.length; size++) {
    const decoder = new StdcopyDecoder()
    const got = { stdin: '', stdout: '', stderr: '', systemerr: '' }
    for (let at = 0; at < bytes.length; at += size)
      for (const { stream, payload } of decoder.decode(bytes.subarray(at, at + size)))
        got[stream] += Buffer.from(payload).toString()
    assert.deepEqual(got, { stdin: '', stdout: 'hello world', stderr: 'oops', systemerr: '' })
  }
})

test('an unknown stream is an error', () => {
  assert.throws(() => [...new StdcopyDecoder().decode(frame(9, 'x'))], /Unrecognized input header: 9/)
})
