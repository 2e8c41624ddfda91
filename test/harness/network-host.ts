// A host to try networks on: this thread moves into a network and a mount namespace of its own, with a neighbour on another network.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Log, silentLog } from '../../src/base/log.ts'
import { CLONE_NEWNET, CLONE_NEWNS, MS_PRIVATE, MS_REC } from '../../src/linux/constants.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { type BridgeNetwork, openBridgeNetwork } from '../../src/network/bridge-network.ts'
import { inNetns } from '../../src/network/in-netns.ts'
import { openNetnsStore } from '../../src/network/netns-store.ts'
import type { Endpoint, Network, NetworkOptions, PublishRequest } from '../../src/network/network.ts'

export const kernel = openNativeKernel()
export const store = openNetnsStore(kernel)
export const root = mkdtempSync(join(tmpdir(), 'berth-network-'))
/** A machine on the host's other network, 10.9.0.0/24. It routes to the containers' addresses and tries its luck. */
export const NEIGHBOUR = join(root, 'neighbour')
export const servers: Server[] = []

/** For `before`. */
export async function enterHost(): Promise<void> {
  kernel.unshare(CLONE_NEWNET | CLONE_NEWNS)
  kernel.mount('none', '/', undefined, MS_REC | MS_PRIVATE)
  run('ip link set lo up')
  await store.create(NEIGHBOUR)
  run('ip link add lan type veth peer name far')
  run('ip addr add 10.9.0.1/24 dev lan && ip link set lan up')
  run(`ip link set far netns ${NEIGHBOUR}`)
  run('ip addr add 10.9.0.2/24 dev far && ip link set far up && ip route add default via 10.9.0.1', NEIGHBOUR)
}

/** For `after`; the namespaces go with the process. */
export async function leaveHost(): Promise<void> {
  for (const server of servers) server.close()
  for (const name of readdirSync(root)) if (!name.startsWith('state')) await store.remove(join(root, name))
  rmSync(root, { recursive: true, force: true })
}

export async function open(changes: Partial<NetworkOptions>, log: Log = silentLog): Promise<BridgeNetwork> {
  const instance = changes.instance ?? 'one'
  const opened = await openBridgeNetwork(kernel, log, {
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
export async function container(
  name: string,
  ports: readonly Partial<PublishRequest>[],
  on: Network,
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

export function serve(netns: string, name: string, port = 80): void {
  const server = createServer((socket) =>
    socket.on('error', () => {}).end(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}`),
  )
  const fd = openSync(netns, 'r')
  inNetns(kernel, fd, () => server.listen(port)) // without an address Node listens before it returns
  closeSync(fd)
  servers.push(server)
}

/** What the server at this address answers, asked from this namespace (the host's where there is none). undefined: no answer. */
export async function ask(address: string, port: number, from?: string): Promise<string | undefined> {
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

export function run(command: string, netns?: string): string {
  const args = netns === undefined ? ['bash', '-c', command] : ['nsenter', `--net=${netns}`, 'bash', '-c', command]
  const { status, stdout, stderr } = spawnSync(args[0] ?? '', args.slice(1), { encoding: 'utf8' })
  assert.equal(status, 0, `${command}: ${stderr}`)
  return stdout
}

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    assert.ok(Date.now() < deadline, `${what} did not come true`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export const linkNames = () =>
  run('ip -o link')
    .split('\n')
    .map((line) => line.split(/[:@] ?/)[1] ?? '')
export const ruleset = () => run('nft list ruleset')
export const mounts = () => readFileSync('/proc/thread-self/mountinfo', 'utf8')
export const hostPort = (endpoint: Endpoint) => {
  const [port] = endpoint.ports
  assert.ok(port)
  return port.hostPort
}

/** A socket in a namespace. Node binds to an address on a later tick; a descriptor is bound at once. */
export function udpServer(netns: string, port: number): Socket {
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

/** Lets the namespace send packets for 127.0.0.1 over the wire. */
export function useForeignLoopback(netns: string, gateway: string): void {
  const route = `ip route del local 127.0.0.1 table local; ip route del local 127.0.0.0/8 table local; ip route add 127.0.0.1 via ${gateway}`
  run(`echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ${route}`, netns)
}
