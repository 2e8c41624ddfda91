// A bridge network: an address, a cable and published ports for each endpoint, kept in step with records on disk.
import { isDeepStrictEqual } from 'node:util'
import { mkdirSync } from 'node:fs'
import { Failure, isFailure, messageOf, withSubject } from '../base/failure.ts'
import { generateId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { UndoStack } from '../base/undo-stack.ts'
import type { Kernel } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../linux/netlink/netlink-socket.ts'
import { decodeLink, disableBridgePort, listLinks } from '../linux/netlink/route-messages.ts'
import { chooseAddress } from './address-pools.ts'
import { type Bridge, ensureBridge, findLink } from './bridge.ts'
import { connectEndpoint } from './endpoint-link.ts'
import { Firewall, type LinkRule, type PublishRule } from './firewall.ts'
import { type HostPort, reserveHostPorts } from './host-ports.ts'
import { formatIpv4, formatSubnet, isIpv4, macOf, parseIpv4 } from './ipv4.ts'
import { LinkRemover } from './link-remover.ts'
import { bridgeName, tableName } from './names.ts'
import type {
  Endpoint,
  EndpointPassage,
  EndpointRequest,
  Network,
  NetworkDescription,
  NetworkOptions,
  PublishedPort,
  PublishRequest,
} from './network.ts'
import { type EndpointRecord, NetworkRecords } from './network-records.ts'
import { readSysctl, writeSysctl } from './sysctl.ts'
import { forgetUdpFlows } from './udp-flows.ts'

const INTERFACE_NAME = 'eth0'

/** Creates the bridge and the table, or finds those of an earlier run again. Call `reconcile` before the first `attach`. */
export async function openBridgeNetwork(kernel: Kernel, log: Log, options: NetworkOptions): Promise<BridgeNetwork> {
  mkdirSync(options.stateDirectory, { recursive: true, mode: 0o700 })
  const records = new NetworkRecords(options.stateDirectory)
  const known = records.loadNetwork()
  const socket = NetlinkSocket.open(kernel, NETLINK_ROUTE)
  try {
    const name = options.bridge ?? bridgeName(options.instance)
    const previous = known && `${known.gateway}/${known.subnet.split('/')[1]}`
    const bridge = ensureBridge(socket, { name, mtu: options.mtu, bip: options.bip, previous })
    if (options.ipForward && readSysctl('net.ipv4.ip_forward') !== '1') writeSysctl('net.ipv4.ip_forward', '1')
    const description: NetworkDescription = {
      id: known?.id ?? generateId(),
      name: 'bridge',
      bridge: bridge.name,
      subnet: formatSubnet(bridge.subnet),
      gateway: formatIpv4(bridge.gateway),
      createdAt: known?.createdAt ?? new Date().toISOString(),
    }
    const ownsBridge = bridge.isNew || options.bridge === undefined || known?.ownsBridge === true
    const record = { ...description, ownsBridge }
    // Written only where it says something new: a full disk must not keep an engine from coming back.
    if (!isDeepStrictEqual(record, known)) records.saveNetwork(record)
    return new BridgeNetwork({ kernel, log, options, records, socket, bridge, description, ownsBridge })
  } catch (error) {
    socket.close()
    throw error
  }
}

interface Parts {
  kernel: Kernel
  log: Log
  options: NetworkOptions
  records: NetworkRecords
  socket: NetlinkSocket
  bridge: Bridge
  description: NetworkDescription
  ownsBridge: boolean
}

export class BridgeNetwork implements Network {
  readonly #parts: Parts
  readonly #remover: LinkRemover
  readonly #firewall: Firewall | undefined
  readonly #endpoints = new Map<string, EndpointRecord>()
  readonly #ports = new Map<string, HostPort[]>()
  /** Addresses of endpoints, and of those that are being made. */
  readonly #addresses = new Set<number>()
  readonly #attaching = new Set<string>()
  /** Host ends of endpoints that have gone, still on the bridge. */
  #toUnplug: string[] = []

  constructor(parts: Parts) {
    const { kernel, log, options, bridge, records } = parts
    this.#parts = parts
    this.#remover = new LinkRemover(kernel, log)
    for (const record of records.loadEndpoints(log)) this.#remember(record)
    if (!options.iptables) return
    // Connections of this host to 127.0.0.1 leave by the bridge and must come back; the table keeps containers out of the loopback.
    this.#firewall = new Firewall(kernel, tableName(options.instance), {
      bridge: bridge.name,
      subnet: bridge.subnet,
      isMasqueraded: options.ipMasq,
      isConnected: options.interContainerCommunication,
    })
    this.#firewall.reconcile(this.#publishRules())
    writeSysctl(`net/ipv4/conf/${bridge.name}/route_localnet`, '1')
    for (const chain of this.#firewall.foreignForwardDrops())
      log.warn(
        'another firewall drops forwarded packets: containers reach the world only where it accepts this bridge',
        {
          chain,
          bridge: bridge.name,
        },
      )
  }

  get createdAt(): string {
    return this.describe().createdAt
  }

  describe(): NetworkDescription {
    return this.#parts.description
  }

  endpoints(): readonly Endpoint[] {
    return [...this.#endpoints.values()]
  }

  setPassages(passages: readonly EndpointPassage[]): void {
    const firewall = this.#firewall
    if (firewall === undefined || this.#parts.options.interContainerCommunication) return
    const addressOf = (key: string) => this.#endpoints.get(key)?.address
    const links = passages.flatMap(({ from, to, protocol, port }): LinkRule[] => {
      const [source, target] = [addressOf(from), addressOf(to)]
      if (source === undefined || target === undefined) return []
      return [{ protocol, from: parseIpv4(source), to: parseIpv4(target), port }]
    })
    this.#routeBetweenPorts(links.length > 0)
    this.#throughTable(
      () => firewall.setLinks(links),
      () => this.#publishRules(),
    )
  }

  /** The bridge passes nothing between isolated ports. Where it answers for those behind them, the host routes what they send, and the table has its say. */
  #routeBetweenPorts(isOn: boolean): void {
    if (!this.#isolatesPorts()) return
    const { name } = this.#parts.bridge
    writeSysctl(`net/ipv4/neigh/${name}/proxy_delay`, '0')
    writeSysctl(`net/ipv4/conf/${name}/proxy_arp_pvlan`, isOn ? '1' : '0')
  }

  /** With bridge-netfilter the table sees what the bridge forwards, and knows published ports; isolation would stop those too. */
  #isolatesPorts(): boolean {
    const { interContainerCommunication } = this.#parts.options
    return !interContainerCommunication && readSysctl('net.bridge.bridge-nf-call-iptables') !== '1'
  }

  async attach(request: EndpointRequest): Promise<Endpoint> {
    const { kernel, log, bridge, options, records, socket } = this.#parts
    if (this.#endpoints.has(request.key) || this.#attaching.has(request.key))
      throw new Failure('forbidden', `endpoint with name ${request.name} already exists in network bridge`)
    if (request.macAddress !== undefined && !/^([\da-f]{2}:){5}[\da-f]{2}$/i.test(request.macAddress))
      throw new Failure('invalid-argument', `invalid MAC address: ${request.macAddress}`)
    const endpointId = generateId()
    await using undo = new UndoStack((error) => log.error('cannot undo attach', { error: messageOf(error) }))
    this.#attaching.add(request.key)
    this.#unplugAll() // their addresses may be given again
    using _attaching = defer(() => this.#attaching.delete(request.key))

    const address = chooseAddress(bridge.subnet, bridge.gateway, this.#addresses)
    this.#addresses.add(address)
    undo.defer(() => void this.#addresses.delete(address))

    const ports = await this.#reserve(request, endpointId, formatIpv4(address))
    undo.defer(() => release(ports))

    const macAddress = request.macAddress ?? macOf(address)
    const link = {
      netnsPath: request.netnsPath,
      interfaceName: INTERFACE_NAME,
      bridgeIndex: bridge.index,
      mtu: options.mtu,
      macAddress,
      address,
      prefixLength: bridge.subnet.prefixLength,
      gateway: bridge.gateway,
      sysctls: request.sysctls,
      isIsolated: this.#isolatesPorts(),
    }
    const hostInterface = connectEndpoint(kernel, socket, link, (name) => undo.defer(() => this.#remover.remove(name)))

    const record: EndpointRecord = {
      key: request.key,
      name: request.name,
      endpointId,
      interfaceName: INTERFACE_NAME,
      hostInterface,
      address: formatIpv4(address),
      prefixLength: bridge.subnet.prefixLength,
      gateway: formatIpv4(bridge.gateway),
      macAddress,
      ports: ports.map(({ release: _, ...port }) => port),
    }
    this.#publish(rulesOf(record))
    this.#forgetFlows(record)
    undo.defer(() => this.#firewall?.unpublish(rulesOf(record)))

    records.saveEndpoint(record) // last: what is not on record after a crash is removed by reconcile
    this.#remember(record)
    this.#ports.set(record.key, ports)
    undo.commit()
    return record
  }

  async detach(key: string): Promise<void> {
    const record = this.#endpoints.get(key)
    if (!record) return
    this.#parts.records.removeEndpoint(record.endpointId)
    this.#forget(record)
    this.#firewall?.unpublish(rulesOf(record))
    this.#forgetFlows(record)
    // The address cannot be given again before, and until then nobody is there who would use it: no one need wait for the kernel.
    if (this.#toUnplug.push(record.hostInterface) === 1) setImmediate(() => this.#unplugAll())
  }

  async reconcile(live: ReadonlySet<string>): Promise<void> {
    const { bridge, log, records, socket } = this.#parts
    for (const record of [...this.#endpoints.values()]) {
      if (live.has(record.key)) continue
      records.removeEndpoint(record.endpointId)
      this.#forget(record)
    }
    this.#firewall?.reconcile(this.#publishRules())
    const kept = new Set([...this.#endpoints.values()].map(({ hostInterface }) => hostInterface))
    const plugged = socket.dump(listLinks()).map(decodeLink)
    const ours = plugged.filter(
      ({ kind, master, name }) => kind === 'veth' && master === bridge.index && isVethName(name),
    )
    for (const { name } of ours) if (!kept.has(name)) this.#unplug(name)
    for (const record of this.#endpoints.values()) {
      if (!ours.some(({ name }) => name === record.hostInterface))
        log.warn('endpoint of a running container has no link', { key: record.key, link: record.hostInterface })
      if (!this.#ports.has(record.key)) await this.#listenAgain(record)
    }
  }

  async close(): Promise<void> {
    for (const ports of this.#ports.values()) release(ports)
    this.#ports.clear()
    this.#unplugAll()
    await this.#remover.drained()
    this.#firewall?.close()
    this.#parts.socket.close()
  }

  async destroy(): Promise<void> {
    const { bridge, ownsBridge, records } = this.#parts
    await this.reconcile(new Set())
    this.#firewall?.remove()
    if (ownsBridge) this.#remover.remove(bridge.name)
    await this.close()
    records.removeAll()
  }

  async #reserve(request: EndpointRequest, endpointId: string, address: string): Promise<HostPort[]> {
    try {
      return await this.#listen(request.ports, address, request.name)
    } catch (error) {
      throw withSubject(
        `driver failed programming external connectivity on endpoint ${request.name} (${endpointId})`,
        error,
      )
    }
  }

  #listen(ports: readonly PublishRequest[], address: string, name: string): Promise<HostPort[]> {
    const { log, options } = this.#parts
    return reserveHostPorts(ports, {
      address,
      defaultPublishAddress: options.defaultPublishAddress,
      onError: (error) => log.warn('published port', { endpoint: name, error: error.message }),
    })
  }

  /** The sockets of an endpoint that outlived an engine. Whoever took a port meanwhile keeps it; nftables still serves the container. */
  async #listenAgain(record: EndpointRecord): Promise<void> {
    const ports: HostPort[] = []
    for (const { protocol, containerPort, hostIp, hostPort } of record.ports) {
      const request = { protocol, containerPort, hostIp, hostPort, hostPortEnd: hostPort }
      try {
        ports.push(...(await this.#listen([request], record.address, record.name)))
      } catch (error) {
        if (!isFailure(error)) throw error
        this.#parts.log.warn('published port', { endpoint: record.name, error: error.message })
      }
    }
    this.#ports.set(record.key, ports)
  }

  #publish(rules: readonly PublishRule[]): void {
    this.#throughTable(
      () => this.#firewall?.publish(rules),
      () => [...this.#publishRules(), ...rules],
    )
  }

  /** A table that was removed under us (`nft flush ruleset`) is made anew with everything that belongs in it. */
  #throughTable(change: () => void, published: () => readonly PublishRule[]): void {
    try {
      change()
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error
      this.#parts.log.warn('the nftables table has gone; it is created again')
      this.#firewall?.reconcile(published())
    }
  }

  /** A comfort for UDP clients that are older than the container: that it fails is no reason to fail. */
  #forgetFlows(record: EndpointRecord): void {
    if (!this.#firewall) return
    try {
      forgetUdpFlows(this.#parts.kernel, rulesOf(record))
    } catch (error) {
      this.#parts.log.warn('cannot forget UDP flows', { endpoint: record.name, error: messageOf(error) })
    }
  }

  #unplugAll(): void {
    for (const name of this.#toUnplug.splice(0)) this.#unplug(name)
  }

  /** Off the bridge at once, gone a little later. */
  #unplug(hostInterface: string): void {
    const { socket } = this.#parts
    try {
      const link = findLink(socket, hostInterface)
      if (!link) return // its namespace has gone, and it with it
      socket.perform(disableBridgePort(link.index))
    } catch (error) {
      if (!hasErrno(error, 'ENODEV', 'EINVAL')) this.#parts.log.warn('cannot disable port', { error: messageOf(error) })
    }
    this.#remover.remove(hostInterface)
  }

  #remember(record: EndpointRecord): void {
    this.#endpoints.set(record.key, record)
    this.#addresses.add(parseIpv4(record.address))
  }

  #forget(record: EndpointRecord): void {
    this.#endpoints.delete(record.key)
    this.#addresses.delete(parseIpv4(record.address))
    release(this.#ports.get(record.key) ?? [])
    this.#ports.delete(record.key)
  }

  #publishRules(): PublishRule[] {
    return [...this.#endpoints.values()].flatMap(rulesOf)
  }
}

/** IPv6 bindings are served by their sockets, not by the table. */
function rulesOf(record: EndpointRecord): PublishRule[] {
  return record.ports.filter(({ hostIp }) => isIpv4(hostIp)).map((port) => ruleOf(port, parseIpv4(record.address)))
}

function ruleOf({ protocol, hostIp, hostPort, containerPort }: PublishedPort, address: number): PublishRule {
  const hostAddress = hostIp === '0.0.0.0' ? undefined : parseIpv4(hostIp)
  return { protocol, hostAddress, hostPort, address, containerPort }
}

function release(ports: readonly HostPort[]): void {
  for (const port of ports) port.release()
}

function isVethName(name: string): boolean {
  return /^veth[\da-f]{7}$/.test(name)
}

function defer(action: () => void): Disposable {
  return { [Symbol.dispose]: action }
}
