import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { openNativeKernel } from '../../../linux/native-kernel.ts'
import type { LocalEntry } from '../local-entry.ts'
import { loggedContainer } from '../logged-container.suite.ts'
import { openFluentd } from './fluentd.ts'
import { openSyslog } from './syslog.ts'
import { connectTransport } from './transport.ts'

const kernel = openNativeKernel()

async function listen(take: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer(take).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

function entry(line: string): LocalEntry {
  return { line: Buffer.from(line), isStderr: false, timeNs: 1n, partial: undefined, attributes: {} }
}

test('a name that nobody has is told of when the connection is made, over UDP as well', async () => {
  await assert.rejects(connectTransport(kernel, { kind: 'udp', host: 'no-such.invalid', port: 1 }), {
    message: 'dial udp: lookup no-such.invalid: no such host',
  })
})

test('fluentd that goes away while it is sent to fails that send alone', async () => {
  const { server, port } = await listen((socket) => {
    socket.on('error', () => {})
    socket.once('readable', () => socket.resetAndDestroy())
  })
  const options = { 'fluentd-address': `127.0.0.1:${port}`, 'fluentd-request-ack': 'true' }
  const connection = await openFluentd(kernel, loggedContainer({ driver: 'fluentd', options })).connect()
  const entries = Array.from({ length: 1000 }, () => entry('x'.repeat(16 << 10)))
  await assert.rejects(connection.send(entries))
  connection.close()
  await new Promise(setImmediate) // nothing is rejected behind our back
  server.close()
})

test('syslog: a tag from the labels of an image makes no message of its own', async () => {
  let text = ''
  const { server, port } = await listen((socket) => socket.on('data', (bytes) => (text += bytes.toString())))
  const options = { 'syslog-address': `tcp://127.0.0.1:${port}`, tag: '{{index .ContainerLabels "a"}}' }
  const record = loggedContainer({ driver: 'syslog', options, labels: { a: 'x\n<0>forged\x1b' } })
  const connection = await openSyslog(kernel, record).connect()
  await connection.send([entry('line')])
  while (!text.endsWith('line\n')) await new Promise(setImmediate)
  assert.match(text, /^<30>[^\n]* x <0>forged \[\d+\]: line\n$/)
  connection.close()
  server.close()
})
