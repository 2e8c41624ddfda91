import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { parsePortList, parsePortRange, reserveHostPorts } from './host-ports.ts'
import type { PublishRequest } from './network.ts'

const OPTIONS = { address: '127.0.0.1', defaultPublishAddress: '0.0.0.0', onError: () => {} }

function request(changes: Partial<PublishRequest>): PublishRequest {
  const port = changes.hostPort ?? 0
  return { protocol: 'tcp', containerPort: 80, hostIp: '127.0.0.1', hostPort: port, hostPortEnd: port, ...changes }
}

test('an ephemeral port is free, and taken until it is released', async () => {
  const [first] = await reserveHostPorts([request({})], OPTIONS)
  assert.ok(first)
  await assert.rejects(reserveHostPorts([request({ hostPort: first.hostPort })], OPTIONS), {
    message: `Bind for 127.0.0.1:${first.hostPort} failed: port is already allocated`,
  })
  await assert.rejects(reserveHostPorts([request({ hostIp: '0.0.0.0', hostPort: first.hostPort })], OPTIONS), {
    message: `Bind for 0.0.0.0:${first.hostPort} failed: port is already allocated`,
  })
  first.release()
  const [again] = await reserveHostPorts([request({ hostPort: first.hostPort })], OPTIONS)
  again?.release()
})

test('a port of another program is named as Docker names it', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  await assert.rejects(reserveHostPorts([request({ hostPort: port })], OPTIONS), {
    message: `failed to bind host port 127.0.0.1:${port}/tcp: address already in use`,
  })
  // A range goes on behind it.
  const [next] = await reserveHostPorts([request({ hostPort: port, hostPortEnd: port + 20 })], OPTIONS)
  assert.ok(next && next.hostPort > port)
  next.release()
  other.close()
})

test('an address that is not this host’s is a reason', async () => {
  await assert.rejects(reserveHostPorts([request({ hostIp: '192.0.2.77', hostPort: 39_999 })], OPTIONS), {
    message: /failed to bind host port 192\.0\.2\.77:39999\/tcp: cannot assign requested address/,
  })
})

test('of several requests none stays when one fails', async () => {
  const [held] = await reserveHostPorts([request({ protocol: 'udp' })], OPTIONS)
  assert.ok(held)
  const free = held.hostPort + 1
  const both = [request({ protocol: 'udp', hostPort: free }), request({ protocol: 'udp', hostPort: held.hostPort })]
  await assert.rejects(reserveHostPorts(both, OPTIONS), /already allocated/)
  const [again] = await reserveHostPorts([request({ protocol: 'udp', hostPort: free })], OPTIONS)
  again?.release()
  held.release()
})

test('the listening socket carries a connection to the container, half-closed each way', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume()
    socket.on('end', () => socket.end('bye')) // answers only when the client has finished
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const containerPort = (server.address() as { port: number }).port
  const [port] = await reserveHostPorts([request({ containerPort })], OPTIONS)
  assert.ok(port)
  const client = connect({ host: '127.0.0.1', port: port.hostPort, allowHalfOpen: true })
  client.end('hello')
  assert.equal(String((await once(client, 'data'))[0]), 'bye')
  await once(client, 'close')
  port.release()
  server.close()
})

test('the kernel’s lists of ports', () => {
  assert.deepEqual(parsePortRange('32768\t60999'), { first: 32768, last: 60999 })
  assert.deepEqual(parsePortRange('rubbish'), { first: 49153, last: 65535 })
  const isListed = parsePortList('8080,9000-9010')
  assert.deepEqual([8079, 8080, 9000, 9005, 9010, 9011].map(isListed), [false, true, true, true, true, false])
  assert.equal(parsePortList('')(0), false)
})
