// Bridge networks on the real kernel: this file's thread moves into a network and a mount namespace of its own, which play the host.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isFailure } from '../../src/base/failure.ts'
import { silentLog } from '../../src/base/log.ts'
import { CLONE_NEWNET, CLONE_NEWNS, MS_PRIVATE, MS_REC } from '../../src/linux/constants.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { openBridgeNetwork } from '../../src/network/bridge-network.ts'
import { inNetns, inNewNetns, OWN_NETNS } from '../../src/network/in-netns.ts'
import { openNetnsStore } from '../../src/network/netns-store.ts'
import type { Endpoint, Network, NetworkOptions, PublishRequest } from '../../src/network/network.ts'

const kernel = openNativeKernel()
const store = openNetnsStore(kernel)
const root = mkdtempSync(join(tmpdir(), 'berth-network-'))
const NEIGHBOUR = join(root, 'neighbour')
const servers: Server[] = []
let network: Network

before(async () => {
  kernel.unshare(CLONE_NEWNET | CLONE_NEWNS)
  kernel.mount('none', '/', undefined, MS_REC | MS_PRIVATE)
  run('ip link set lo up')
  // The neighbour is a machine on the host's other network. Routing to the containers' addresses, it tries its luck.
  await store.create(NEIGHBOUR)
  run('ip link add lan type veth peer name far')
  run('ip addr add 10.9.0.1/24 dev lan && ip link set lan up')
  run(`ip link set far netns ${NEIGHBOUR}`)
  run('ip addr add 10.9.0.2/24 dev far && ip link set far up && ip route add default via 10.9.0.1', NEIGHBOUR)
  network = await open({})
})

after(async () => {
  for (const server of servers) server.close()
  await network.close()
  for (const name of readdirSync(join(root)).filter((each) => !each.startsWith('state')))
    await store.remove(join(root, name))
  rmSync(root, { recursive: true, force: true })
})

async function open(changes: Partial<NetworkOptions>): Promise<Network> {
  const instance = changes.instance ?? 'one'
  const opened = await openBridgeNetwork(kernel, silentLog, {
    stateDirectory: join(root, `state-${instance}`),
    bridge: undefined,
    bip: undefined,
    instance,
    mtu: 1500,
    iptables: true,
    ipForward: true,
    ipMasq: true,
    interContainerCommunication: true,
    defaultPublishAddress: '0.0.0.0',
    ...changes,
  })
  return opened
}

/** A namespace with an endpoint, and a server on port 80 that says who it is and whom it sees. */
async function container(
  name: string,
  ports: readonly Partial<PublishRequest>[] = [],
  on: Network = network,
): Promise<Endpoint & { netns: string }> {
  const netns = join(root, name)
  await store.create(netns)
  const requests = ports.map((port) => {
    const hostPort = port.hostPort ?? 0
    return { protocol: 'tcp' as const, containerPort: 80, hostIp: '', hostPort, hostPortEnd: hostPort, ...port }
  })
  const endpoint = await on.attach({
    key: name,
    name,
    netnsPath: netns,
    ports: requests,
    macAddress: undefined,
    sysctls: {},
  })
  serve(netns, name)
  return { ...endpoint, netns }
}

function serve(netns: string, name: string): void {
  const server = createServer((socket) =>
    socket.on('error', () => {}).end(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}`),
  )
  const fd = openSync(netns, 'r')
  inNetns(kernel, fd, () => server.listen(80)) // without an address Node listens before it returns
  closeSync(fd)
  servers.push(server)
}

/** What the server at this address answers, asked from this namespace (the host's where there is none). undefined: no answer. */
async function ask(address: string, port: number, from?: string): Promise<string | undefined> {
  // A process of its own: the answering servers live in this one.
  const command = ['timeout', '2', 'bash', '-c', `exec 3<>/dev/tcp/${address}/${port} && cat <&3`]
  const args = from === undefined ? command : ['nsenter', `--net=${from}`, ...command]
  const child = spawn(args[0] ?? '', args.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', (data: Buffer) => {
    text += data
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return code === 0 ? text : undefined
}

function run(command: string, netns?: string): string {
  const args = netns === undefined ? ['bash', '-c', command] : ['nsenter', `--net=${netns}`, 'bash', '-c', command]
  const { status, stdout, stderr } = spawnSync(args[0] ?? '', args.slice(1), { encoding: 'utf8' })
  assert.equal(status, 0, `${command}: ${stderr}`)
  return stdout
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    assert.ok(Date.now() < deadline, `${what} did not come true`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const linkNames = () =>
  run('ip -o link')
    .split('\n')
    .map((line) => line.split(/[:@] ?/)[1] ?? '')
const ruleset = () => run('nft list ruleset')
const mounts = () => readFileSync('/proc/thread-self/mountinfo', 'utf8')
const hostPort = (endpoint: Endpoint) => {
  const [port] = endpoint.ports
  assert.ok(port)
  return port.hostPort
}

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

/** A socket in a namespace. Node binds to an address on a later tick; a descriptor is bound at once. */
function udpServer(netns: string, port: number): Socket {
  const socket = createSocket('udp4')
  const fd = openSync(netns, 'r')
  inNetns(kernel, fd, () => socket.bind({ fd: udpDescriptor(port) }))
  closeSync(fd)
  return socket
}

/** A bound UDP socket, made at once. */
function udpDescriptor(port: number): number {
  const AF_INET = 2
  const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000
  const fd = kernel.socket(AF_INET, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0)
  const address = Buffer.alloc(16)
  address.writeUInt16LE(AF_INET, 0)
  address.writeUInt16BE(port, 2)
  kernel.bind(fd, address)
  return fd
}

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

function useForeignLoopback(netns: string, gateway: string): void {
  const route = `ip route del local 127.0.0.1 table local; ip route del local 127.0.0.0/8 table local; ip route add 127.0.0.1 via ${gateway}`
  run(`echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ${route}`, netns)
}

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
    /listen tcp4 0\.0\.0\.0:8084: bind: address already in use$/,
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

test('after a crash the living are kept and the others’ traces removed', async () => {
  const kept = await container('kept', [{ hostPort: 8086 }])
  const dead = await container('dead', [{ hostPort: 8087 }])
  await network.close() // what the kernel does with the sockets of a killed process
  run(`ip link add vethabcdef0 type veth peer name p0 && ip link set vethabcdef0 master ${network.describe().bridge}`)
  run('nft add element ip berth-one published-any { tcp . 999 : 172.17.0.99 . 80 }')
  run('nft delete element ip berth-one published-any { tcp . 8086 }')
  writeFileSync(join(root, 'state-one/endpoints/x.json.123.draft'), '{')
  const id = network.describe().id

  network = await open({})
  assert.equal(network.describe().id, id)
  await network.reconcile(new Set(['kept']))
  assert.deepEqual(
    network.endpoints().map(({ key }) => key),
    ['kept'],
  )
  assert.equal(await ask('127.0.0.1', 8086), 'kept 172.17.0.1')
  assert.equal(await ask('::1', 8086), 'kept 172.17.0.1')
  assert.equal(await ask('127.0.0.1', 8087), undefined)
  assert.doesNotMatch(ruleset(), /172\.17\.0\.99|8087/)
  await until('the end of the others’ links', () => {
    const names = linkNames()
    return !names.includes(dead.hostInterface) && !names.includes('vethabcdef0') && names.includes(kept.hostInterface)
  })
  const next = await container('next')
  assert.notEqual(next.address, kept.address)
  await network.detach('next')
  await network.detach('kept')
})

test('a table that somebody removed comes back with everything in it', async () => {
  await container('early', [{ hostPort: 8088 }])
  run('nft flush ruleset')
  await container('late', [{ hostPort: 8089 }])
  assert.equal(await ask('10.9.0.1', 8088, NEIGHBOUR), 'early 10.9.0.2')
  assert.equal(await ask('10.9.0.1', 8089, NEIGHBOUR), 'late 10.9.0.2')
  await network.detach('early')
  await network.detach('late')
})

test('engines side by side have subnets, tables and containers of their own, and leave nothing', async () => {
  const before = { links: linkNames(), ruleset: ruleset(), mounts: mounts() }
  const second = await open({ instance: 'two' })
  assert.equal(second.describe().subnet, '172.18.0.0/16')
  const here = await container('here')
  const there = await container('there', [{ hostPort: 8090 }], second)
  assert.equal(await ask(there.address, 80), 'there 172.18.0.1')
  assert.equal(await ask(there.address, 80, here.netns), undefined, 'networks are apart')
  assert.equal(await ask('10.9.0.1', 8090, here.netns), 'there 172.18.0.1', 'but for published ports')
  await network.detach('here')
  await second.destroy()
  for (const { netns } of [here, there]) await store.remove(netns)
  await until('the end of its links', () => linkNames().every((name) => before.links.includes(name)))
  assert.equal(ruleset(), before.ruleset)
  assert.equal(mounts(), before.mounts)
})

test('without inter-container communication containers reach the host, but not each other', async () => {
  const apart = await open({ instance: 'apart', interContainerCommunication: false })
  const a = await container('a1', [], apart)
  const b = await container('b1', [{ hostPort: 8091 }], apart)
  assert.equal(await ask(b.address, 80, a.netns), undefined)
  assert.equal(await ask('10.9.0.1', 8091, a.netns), `b1 ${apart.describe().gateway}`)
  assert.equal(await ask(b.address, 80), `b1 ${apart.describe().gateway}`)
  await apart.destroy()
})

test('without nftables the sockets carry published ports', async () => {
  const plain = await open({ instance: 'plain', iptables: false, bip: '10.77.0.1/24' })
  const web = await container('web2', [{ hostPort: 8092 }], plain)
  assert.equal(web.address, '10.77.0.2')
  assert.equal(await ask('127.0.0.1', 8092), 'web2 10.77.0.1')
  assert.equal(await ask('10.9.0.1', 8092, NEIGHBOUR), 'web2 10.77.0.1')
  assert.doesNotMatch(ruleset(), /berth-plain/)
  await plain.destroy()
})

test('destroy leaves the host as it was', async () => {
  await network.destroy()
  assert.equal(ruleset(), '')
  await until('the bridge’s end', () => !linkNames().some((name) => name.startsWith('br-')))
  assert.deepEqual(readdirSync(join(root, 'state-one')), [])
})
