import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BootstrapResult } from '../../wire/shim-v2/messages.ts'
import { parseStartAnswer, socketOf } from './start-answer.ts'

const address = 'unix:///run/containerd/s/0123'
const json = (value: object) => Buffer.from(JSON.stringify(value))

test('the three ways in which shims say where they serve', () => {
  for (const text of [address, ` ${address}\n`])
    assert.deepEqual(parseStartAnswer(Buffer.from(text)), { version: 2, address, protocol: 'ttrpc' })
  for (const version of [2, 3])
    assert.deepEqual(parseStartAnswer(json({ version, address, protocol: 'ttrpc' })), {
      version,
      address,
      protocol: 'ttrpc',
    })
  assert.equal(parseStartAnswer(json({ version: 2, address, protocol: 'TTRPC' })).protocol, 'ttrpc')
  assert.equal(parseStartAnswer(json({ version: 2, address })).protocol, 'ttrpc')
  const message = Buffer.from(BootstrapResult.encode({ version: 3, address, protocol: 'ttrpc' }))
  assert.deepEqual(parseStartAnswer(message), { version: 3, address, protocol: 'ttrpc' })
})

test('what is kept in a bundle is read back', () => {
  const endpoint = { version: 3, address, protocol: 'ttrpc' }
  assert.deepEqual(parseStartAnswer(json(endpoint)), endpoint)
})

test('what is no answer, or one that is not understood', () => {
  const cases: [Buffer, object][] = [
    [Buffer.from(''), { code: 'unknown', message: 'shim answered no address: ""' }],
    [Buffer.from('warning: no\nunix:///x'), { code: 'unknown' }],
    [Buffer.from('\x01\x02\x7f'), { code: 'unknown' }],
    [
      json({ version: 4, address, protocol: 'ttrpc' }),
      { code: 'unimplemented', message: 'unsupported shim version (4): not implemented' },
    ],
    [
      json({ version: 2, address, protocol: 'grpc' }),
      { code: 'unimplemented', message: 'unexpected protocol: "grpc": not implemented' },
    ],
    [json({ version: 2, address: 'two words', protocol: 'ttrpc' }), { code: 'unknown' }],
  ]
  for (const [output, wanted] of cases) assert.throws(() => parseStartAnswer(output), wanted, output.toString())
})

test('addresses: paths, abstract sockets, and what is neither', () => {
  assert.equal(socketOf(address), '/run/containerd/s/0123')
  assert.equal(socketOf('/containerd-shim/x.sock'), '\0/containerd-shim/x.sock')
  assert.throws(() => socketOf('vsock://3:1024'), { code: 'unknown', message: 'unsupported protocol: vsock' })
})
