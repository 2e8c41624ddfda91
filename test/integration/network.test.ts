// Bridge networks on the real kernel: endpoints, published ports, and what must not be reached.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { inNewNetns, OWN_NETNS } from '../../src/network/in-netns.ts'
import type { Network, PublishRequest } from '../../src/network/network.ts'
import {
  container as makeContainer,
  ask,
  enterHost,
  hostPort,
  kernel,
  leaveHost,
  linkNames,
  mounts,
  NEIGHBOUR,
  open,
  root,
  ruleset,
  run,
  serve,
  servers,
  store,
  udpServer,
  until,
  useForeignLoopback,
} from '../harness/network-host.ts'

let network: Network

before(async () => {
  await enterHost()
  network = await open({})
})

after(async () => {
  await network.close()
  await leaveHost()
})

const container = (name: string, ports: readonly Partial<PublishRequest>[] = [], on = network) =>
  makeContainer(name, ports, on)

test('a namespace is a file, made twice and removed twice without complaint', async () => {
  const path = join(root, 'twice')
  const own = readlinkSync(OWN_NETNS)
  await store.create(path, { 'net.ipv4.ip_unprivileged_port_start': '0' })
  await store.create(path)
  assert.equal(run('cat /proc/sys/net/ipv4/ip_unprivileged_port_start', path).trim(), '0')
  assert.match(run('ip -o addr', path), /lo\s+inet 127\.0\.0\.1/)
  await assert.rejects(store.create(join(root, 'bad'), { 'net.ipv4.no_such': '1' }), { code: 'invalid-argument' })
  assert.equal(readlinkSync(OWN_NETNS), own)
  await store.remove(path)
  await store.remove(path)
  assert.ok(!mounts().includes(path))
})

test('the thread comes back from another namespace when the work throws', () => {
  const own = readlinkSync(OWN_NETNS)
  const work = () => {
    assert.notEqual(readlinkSync(OWN_NETNS), own)
    throw new Error('inside')
  }
  assert.throws(() => inNewNetns(kernel, work), /inside/)
  assert.equal(readlinkSync(OWN_NETNS), own)
})

test('an endpoint has Docker’s address, name, hardware address and default route', async () => {
  const one = await container('plain')
  assert.deepEqual(
    [one.address, one.prefixLength, one.gateway, one.macAddress],
    ['172.17.0.2', 16, '172.17.0.1', '02:42:ac:11:00:02'],
  )
  assert.match(run('ip -o addr show eth0', one.netns), /inet 172\.17\.0\.2\/16 brd 172\.17\.255\.255 scope global eth0/)
  assert.doesNotMatch(run('ip -o addr show eth0', one.netns), /inet6/)
  assert.match(run('ip route', one.netns), /default via 172\.17\.0\.1 dev eth0/)
  assert.equal(await ask(one.address, 80), 'plain 172.17.0.1')
  await network.detach('plain')
})

test('containers of a network reach each other, with their own addresses', async () => {
  const a = await container('a')
  const b = await container('b')
  assert.equal(await ask(b.address, 80, a.netns), `b ${a.address}`)
  await network.detach('a')
  await network.detach('b')
})

test('a published port is reached from everywhere', async () => {
  const web = await container('web', [{ hostPort: 8080 }])
  const other = await container('other')
  assert.deepEqual(
    web.ports.map(({ hostIp }) => hostIp),
    ['0.0.0.0', '::'],
  )
  assert.equal(await ask('127.0.0.1', 8080), 'web 172.17.0.1', 'by the loopback')
  assert.equal(await ask('10.9.0.1', 8080), 'web 172.17.0.1', 'by the host’s address, from the host')
  assert.equal(await ask('::1', 8080), 'web 172.17.0.1', 'by IPv6')
  assert.equal(await ask('10.9.0.1', 8080, NEIGHBOUR), 'web 10.9.0.2', 'a neighbour’s address is seen')
  assert.equal(await ask('10.9.0.1', 8080, other.netns), 'web 172.17.0.1', 'from a container beside it')
  assert.equal(await ask('10.9.0.1', 8080, web.netns), 'web 172.17.0.1', 'from itself')
  assert.match(run('ss -Hltn'), /0\.0\.0\.0:8080/)
  await network.detach('web')
  await network.detach('other')
})

test('UDP is published too', async () => {
  const dns = await container('dns', [{ protocol: 'udp', containerPort: 53, hostPort: 5353 }])
  const inside = udpServer(dns.netns, 53)
  inside.on('message', (_, from) => inside.send('pong', from.port, from.address))
  const client = createSocket('udp4')
  const answer = once(client, 'message', { signal: AbortSignal.timeout(5000) })
  client.send('ping', 5353, '127.0.0.1')
  assert.equal(String((await answer)[0]), 'pong')
  client.close()
  inside.close()
  await network.detach('dns')
})

test('a UDP client that never stops sending reaches the next container too', async () => {
  const client = createSocket('udp4')
  const answerOf = async (name: string) => {
    const one = await container(name, [{ protocol: 'udp', containerPort: 53, hostPort: 5354 }])
    const inside = udpServer(one.netns, 53)
    inside.on('message', (_, from) => inside.send(name, from.port, from.address))
    const answer = once(client, 'message', { signal: AbortSignal.timeout(5000) })
    client.send('ping', 5354, '10.9.0.1')
    const text = String((await answer)[0])
    inside.close()
    return text
  }
  assert.equal(await answerOf('udp1'), 'udp1')
  await network.detach('udp1')
  await container('between') // takes the first one's address
  assert.equal(await answerOf('udp2'), 'udp2')
  client.close()
  await network.detach('udp2')
  await network.detach('between')
})

test('what is not published is not reached from outside', async () => {
  const hidden = await container('hidden', [{ hostIp: '127.0.0.1', hostPort: 8081 }])
  assert.equal(await ask('127.0.0.1', 8081), 'hidden 172.17.0.1')
  assert.equal(await ask('10.9.0.1', 8081), undefined, 'another address of the host')
  assert.equal(await ask(hidden.address, 80, NEIGHBOUR), undefined, 'a neighbour that routes to the container')
  await network.detach('hidden')
})

test('a neighbour that sends packets for 127.0.0.1 over the wire does not reach what is published there', async () => {
  const hidden = await container('hidden2', [{ protocol: 'udp', hostIp: '127.0.0.1', hostPort: 8081 }])
  const server = udpServer(hidden.netns, 80)
  const first = once(server, 'message', { signal: AbortSignal.timeout(5000) })
  useForeignLoopback(NEIGHBOUR, '10.9.0.1')
  run('echo forged > /dev/udp/127.0.0.1/8081', NEIGHBOUR)
  run('echo honest > /dev/udp/127.0.0.1/8081')
  assert.equal(String((await first)[0]), 'honest\n')
  server.close()
  await network.detach('hidden2')
})

test('the host’s loopback is closed to containers', async () => {
  const curious = await container('curious')
  const server = createSocket('udp4').bind(9999, '127.0.0.1')
  await once(server, 'listening')
  const first = once(server, 'message', { signal: AbortSignal.timeout(5000) })
  useForeignLoopback(curious.netns, '172.17.0.1')
  run('echo forged > /dev/udp/127.0.0.1/9999', curious.netns)
  run('echo honest > /dev/udp/127.0.0.1/9999')
  assert.equal(String((await first)[0]), 'honest\n')
  server.close()
  await network.detach('curious')
})

test('containers leave under the host’s address', async () => {
  const outgoing = await container('outgoing')
  serve(NEIGHBOUR, 'neighbour')
  assert.equal(await ask('10.9.0.2', 80, outgoing.netns), 'neighbour 10.9.0.1')
  await network.detach('outgoing')
})

test('a port that is taken fails the whole attach in Docker’s words, and leaves nothing', async () => {
  await container('first', [{ hostPort: 8082 }])
  const before = { links: linkNames(), ruleset: ruleset() }
  await assert.rejects(
    container('second', [{ hostPort: 8083 }, { hostPort: 8082 }]),
    (error) =>
      isFailure(error, 'internal') &&
      /^driver failed programming external connectivity on endpoint second \([\da-f]{64}\): Bind for 0\.0\.0\.0:8082 failed: port is already allocated$/.test(
        error.message,
      ),
  )
  const stranger = createServer().listen(8084, '0.0.0.0')
  await once(stranger, 'listening')
  await assert.rejects(
    container('second', [{ hostPort: 8084 }]),
    /failed to bind host port 0\.0\.0\.0:8084\/tcp: address already in use$/,
  )
  stranger.close()
  assert.deepEqual({ links: linkNames(), ruleset: ruleset() }, before)
  await network.detach('first')
  const next = await container('third', [{ hostPort: 8082 }, { hostPort: 8083 }])
  assert.equal(next.address, '172.17.0.2', 'addresses are given again')
  await network.detach('third')
})

test('a failure behind the ports leaves nothing either', async () => {
  const before = { ruleset: ruleset() }
  const request = { key: 'x', name: 'x', macAddress: undefined, sysctls: {} }
  const ports = [{ protocol: 'tcp' as const, containerPort: 80, hostIp: '', hostPort: 8085, hostPortEnd: 8085 }]
  await assert.rejects(network.attach({ ...request, netnsPath: join(root, 'absent'), ports }))
  const netns = join(root, 'taken')
  await store.create(netns)
  run('ip link add eth0 type bridge', netns) // the name inside is taken
  await assert.rejects(network.attach({ ...request, netnsPath: netns, ports }), { code: 'already-exists' })
  assert.doesNotMatch(run('ss -Hltn'), /:8085/)
  assert.deepEqual({ ruleset: ruleset() }, before)
  assert.deepEqual(network.endpoints(), [])
})

test('detach removes link, address, port and rule', async () => {
  const before = { ruleset: ruleset() }
  const gone = await container('gone', [{}])
  await network.detach('gone')
  await network.detach('gone')
  assert.equal(ruleset(), before.ruleset)
  assert.equal(await ask('127.0.0.1', hostPort(gone)), undefined)
  await until('the link’s end', () => !linkNames().includes(gone.hostInterface))
})

test('a removed namespace takes its link with it', async () => {
  const gone = await container('vanishing')
  await store.remove(gone.netns)
  for (const server of servers.splice(-1)) server.close() // the last reference to the namespace
  await network.detach('vanishing')
  await until('the link’s end', () => !linkNames().includes(gone.hostInterface))
})
