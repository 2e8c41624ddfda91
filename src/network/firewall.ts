// The engine's nftables table in the kernel: created once, then only its elements change.
import type { Kernel } from '../linux/kernel.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import type { NetlinkRequest } from '../linux/netlink/message.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from '../linux/netlink/netlink-socket.ts'
import {
  addElements,
  beginBatch,
  concatenation,
  createTable,
  decodeBaseChain,
  decodeElements,
  decodeTableComment,
  deleteElements,
  deleteTable,
  endBatch,
  getTable,
  HOOK,
  interfaceName,
  listChains,
  listElements,
  type NftElement,
} from '../linux/netlink/nftables-messages.ts'
import { contains, encodeIpv4, lastAddress, type Subnet } from './ipv4.ts'
import type { PortProtocol } from './network.ts'
import { layoutFingerprint, SET, tableRequests } from './ruleset.ts'

const PROTOCOL_NUMBER: Record<PortProtocol, number> = { tcp: 6, udp: 17, sctp: 132 }

/** NFPROTO_INET and NFPROTO_IPV4. */
const FAMILIES_WITH_IPV4 = new Set([1, 2])

/** `hostAddress` undefined: every address of the host. */
export interface PublishRule {
  protocol: PortProtocol
  hostAddress: number | undefined
  hostPort: number
  address: number
  containerPort: number
}

/** A port of one endpoint that another one may use. */
export interface LinkRule {
  protocol: PortProtocol
  from: number
  to: number
  port: number
}

export interface FirewalledNetwork {
  bridge: string
  subnet: Subnet
  isMasqueraded: boolean
  /** Containers of this network may talk to each other. */
  isConnected: boolean
}

/** One network's view of the table that all networks of an engine share. Every change is a transaction. */
export class Firewall {
  readonly #socket: NetlinkSocket
  readonly #table: string
  readonly #network: FirewalledNetwork
  #links: readonly LinkRule[] = []

  constructor(kernel: Kernel, table: string, network: FirewalledNetwork) {
    this.#socket = NetlinkSocket.open(kernel, NETLINK_NETFILTER)
    this.#table = table
    this.#network = network
  }

  /** Makes the table as this version wants it, this network's elements, exactly these published ports, and the links that were set last. */
  reconcile(wanted: readonly PublishRule[]): void {
    if (this.#tableComment() !== layoutFingerprint(this.#table)) return this.#rebuild(wanted)
    try {
      this.#update(wanted)
    } catch (error) {
      // Ranges or ports of an earlier configuration are in the way.
      if (!hasErrno(error, 'EEXIST', 'ENOTEMPTY', 'EBUSY')) throw error
      this.#rebuild(wanted)
    }
  }

  /** Creating before deleting lets one transaction replace a table that may or may not exist. */
  #rebuild(wanted: readonly PublishRule[]): void {
    const table = this.#table
    this.#commit([
      createTable(table, ''),
      deleteTable(table),
      ...tableRequests(table),
      ...this.#networkElements(addElements),
      ...this.#ruleElements(wanted, addElements),
      ...this.#linkElements(this.#links.map(encodeLink), addElements),
    ])
  }

  #update(wanted: readonly PublishRule[]): void {
    const table = this.#table
    const wantedKeys = new Map(wanted.map((rule) => [keyOf(encodeRule(rule)), rule]))
    const changes: NetlinkRequest[] = []
    for (const set of [SET.published, SET.publishedAny]) {
      const stale = this.#list(set).filter((element) => {
        const isWanted = wantedKeys.delete(keyOf({ set, element }))
        return !isWanted && this.#isOurs(element)
      })
      if (stale.length > 0) changes.push(deleteElements(table, set, stale))
    }
    const missing = [...wantedKeys.values()]
    const elements = [...this.#networkElements(addElements), ...this.#ruleElements(missing, addElements)]
    this.#commit([...changes, ...elements, ...this.#linkChanges()])
  }

  /** Exactly these from now on; each once. Throws ENOENT where somebody has removed the table. */
  setLinks(links: readonly LinkRule[]): void {
    this.#links = links
    const changes = this.#linkChanges()
    if (changes.length > 0) this.#commit(changes)
  }

  #linkChanges(): NetlinkRequest[] {
    const wanted = new Map(this.#links.map((link) => [encodeLink(link).toString('hex'), encodeLink(link)]))
    const stale = this.#list(SET.linked)
      .map(({ key }) => key)
      .filter((key) => !wanted.delete(key.toString('hex')) && this.#isOurLink(key))
    return [...this.#linkElements(stale, deleteElements), ...this.#linkElements([...wanted.values()], addElements)]
  }

  #linkElements(keys: readonly Buffer[], change: ElementChange): NetlinkRequest[] {
    return keys.length === 0
      ? []
      : [
          change(
            this.#table,
            SET.linked,
            keys.map((key) => ({ key })),
          ),
        ]
  }

  #isOurLink(key: Buffer): boolean {
    return contains(this.#network.subnet, key.readUInt32BE(LINK_SOURCE_OFFSET))
  }

  publish(rules: readonly PublishRule[]): void {
    if (rules.length === 0) return
    this.#commit(this.#ruleElements(rules, addElements))
  }

  /** Elements that are not there are no error. */
  unpublish(rules: readonly PublishRule[]): void {
    if (rules.length === 0) return
    try {
      this.#commit(this.#ruleElements(rules, deleteElements))
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error
      for (const rule of rules) ignoringMissing(() => this.#commit(this.#ruleElements([rule], deleteElements)))
    }
  }

  /** Removes this network, and the table with the last of them. */
  remove(): void {
    ignoringMissing(() => this.#removePublished())
    ignoringMissing(() => this.setLinks([]))
    for (const change of this.#networkElements(deleteElements)) ignoringMissing(() => this.#commit([change]))
    if (this.#tableComment() !== undefined && this.#list(SET.bridges).length === 0)
      this.#commit([deleteTable(this.#table)])
  }

  /** Chains of others that drop forwarded IPv4 packets which nobody accepts there. No rule of ours can overrule a drop. */
  foreignForwardDrops(): string[] {
    return this.#socket
      .dump(listChains())
      .flatMap((answer) => decodeBaseChain(answer) ?? [])
      .filter(
        ({ family, hook, isPolicyDrop }) => isPolicyDrop && hook === HOOK.forward && FAMILIES_WITH_IPV4.has(family),
      )
      .map(({ table, name }) => `${table} ${name}`)
  }

  close(): void {
    this.#socket.close()
  }

  #removePublished(): void {
    for (const set of [SET.published, SET.publishedAny]) {
      const ours = this.#list(set).filter((element) => this.#isOurs(element))
      if (ours.length > 0) this.#commit([deleteElements(this.#table, set, ours)])
    }
  }

  /** undefined: no such table. */
  #tableComment(): string | undefined {
    try {
      return decodeTableComment(this.#socket.query(getTable(this.#table)))
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return undefined
      throw error
    }
  }

  #list(set: string): NftElement[] {
    return this.#socket.dump(listElements(this.#table, set)).flatMap(decodeElements)
  }

  #isOurs(element: NftElement): boolean {
    return element.value !== undefined && contains(this.#network.subnet, element.value.readUInt32BE(0))
  }

  #networkElements(change: ElementChange): NetlinkRequest[] {
    const { bridge, subnet, isMasqueraded, isConnected } = this.#network
    const name = interfaceName(bridge)
    const range = { key: encodeIpv4(subnet.address), end: encodeIpv4((lastAddress(subnet) + 1) >>> 0) }
    const table = this.#table
    return [
      change(table, SET.bridges, [{ key: name }]),
      change(table, SET.subnets, [range]),
      ...(isMasqueraded ? [change(table, SET.masqueraded, [range])] : []),
      ...(isConnected ? [change(table, SET.connected, [{ key: Buffer.concat([name, name]) }])] : []),
    ]
  }

  #ruleElements(rules: readonly PublishRule[], change: ElementChange): NetlinkRequest[] {
    const encoded = rules.map(encodeRule)
    return [SET.published, SET.publishedAny].flatMap((set) => {
      const elements = encoded.filter((each) => each.set === set).map(({ element }) => element)
      return elements.length === 0 ? [] : [change(this.#table, set, elements)]
    })
  }

  #commit(requests: readonly NetlinkRequest[]): void {
    this.#socket.performBatch(beginBatch(), requests, endBatch())
  }
}

type ElementChange = (table: string, set: string, elements: readonly NftElement[]) => NetlinkRequest

interface EncodedRule {
  set: string
  element: NftElement
}

function encodeRule(rule: PublishRule): EncodedRule {
  const protocol = Buffer.from([PROTOCOL_NUMBER[rule.protocol]])
  const value = concatenation(encodeIpv4(rule.address), encodePort(rule.containerPort))
  const hostPort = encodePort(rule.hostPort)
  if (rule.hostAddress === undefined)
    return { set: SET.publishedAny, element: { key: concatenation(protocol, hostPort), value } }
  return {
    set: SET.published,
    element: { key: concatenation(protocol, encodeIpv4(rule.hostAddress), hostPort), value },
  }
}

/** Behind the protocol, which is padded to four bytes. */
const LINK_SOURCE_OFFSET = 4

function encodeLink({ protocol, from, to, port }: LinkRule): Buffer {
  return concatenation(Buffer.from([PROTOCOL_NUMBER[protocol]]), encodeIpv4(from), encodeIpv4(to), encodePort(port))
}

function keyOf({ set, element }: EncodedRule): string {
  return `${set} ${element.key.toString('hex')} ${element.value?.toString('hex')}`
}

function encodePort(port: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(port)
  return bytes
}

function ignoringMissing(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error // removed by hand, or never there
  }
}
