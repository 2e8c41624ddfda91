// nf_tables over nfnetlink: tables, base chains, rules, sets, maps and their elements, as much as one IPv4 firewall table needs. Pure.
// Numbers are the kernel's (linux/netfilter/nf_tables.h); the data type numbers of sets are nft's own and only make `nft list` readable.
import { attribute, be16, be32, listAttributes, nested, readAttributes, readText, text, u8 } from './attributes.ts'
import { type NetlinkMessage, type NetlinkRequest, NLM_F_APPEND, NLM_F_CREATE, request } from './message.ts'

const SUBSYSTEM = 10
const BATCH_BEGIN = 0x10
const BATCH_END = 0x11
const MESSAGE = { NEWTABLE: 0, GETTABLE: 1, DELTABLE: 2, NEWCHAIN: 3, GETCHAIN: 4, NEWRULE: 6, NEWSET: 9 } as const
const NEWSETELEM = 12
const GETSETELEM = 13
const DELSETELEM = 14
const NFPROTO_IPV4 = 2

const SET_INTERVAL = 0x4
const SET_MAP = 0x8
const ELEMENT_INTERVAL_END = 0x1

/** Hooks of the IPv4 family. */
export const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const
/** nft's numbers of data types and the kernel's sizes; a concatenation pads each of its parts to four bytes. */
const DATA_TYPE = {
  ipv4_addr: { number: 7, sizeBytes: 4 },
  inet_proto: { number: 12, sizeBytes: 1 },
  inet_service: { number: 13, sizeBytes: 2 },
  ifname: { number: 41, sizeBytes: 16 },
} as const
export type NftDataType = keyof typeof DATA_TYPE

export interface NftChain {
  name: string
  type: 'filter' | 'nat'
  hook: keyof typeof HOOK
  priority: number
}

export interface NftBaseChain {
  /** NFPROTO_*: 1 both IPs, 2 IPv4. */
  family: number
  table: string
  name: string
  /** Of IPv4's hooks, in families where those apply. */
  hook: number
  isPolicyDrop: boolean
}

export interface NftSet {
  name: string
  key: readonly NftDataType[]
  /** Present: a map. */
  value?: readonly NftDataType[]
  /** Keys are ranges. */
  isInterval?: boolean
}

/** `end`: the first key behind the range, in interval sets. */
export interface NftElement {
  key: Buffer
  value?: Buffer
  end?: Buffer
}

export function beginBatch(): NetlinkRequest {
  return request('begin', { type: BATCH_BEGIN, flags: 0 }, u8(0), u8(0), be16(SUBSYSTEM))
}

export function endBatch(): NetlinkRequest {
  return request('commit', { type: BATCH_END, flags: 0 }, u8(0), u8(0), be16(SUBSYSTEM))
}

/** Succeeds where the table exists. `comment` is its user data, as `nft` shows it. */
export function createTable(table: string, comment: string): NetlinkRequest {
  const comments = Buffer.concat([u8(0), u8(comment.length + 1), text(comment)])
  return message(`create table ${table}`, MESSAGE.NEWTABLE, NLM_F_CREATE, [
    attribute(1, text(table)),
    attribute(2, be32(0)),
    attribute(6, comments),
  ])
}

/** With all that is in it. Fails with ENOENT where there is none. */
export function deleteTable(table: string): NetlinkRequest {
  return message(`delete table ${table}`, MESSAGE.DELTABLE, 0, [attribute(1, text(table))])
}

/** Answered by the table, or ENOENT. */
export function getTable(table: string): NetlinkRequest {
  return message(`get table ${table}`, MESSAGE.GETTABLE, 0, [attribute(1, text(table))])
}

/** The comment that `createTable` gave it. */
export function decodeTableComment(answer: NetlinkMessage): string {
  const data = readAttributes(answer.payload.subarray(4)).get(6)
  return data && data.length > 2 && data[0] === 0 ? data.subarray(2, 2 + (data[1] ?? 0) - 1).toString() : ''
}

/** A base chain with policy accept. */
export function createChain(table: string, chain: NftChain): NetlinkRequest {
  return message(`create chain ${chain.name}`, MESSAGE.NEWCHAIN, NLM_F_CREATE, [
    attribute(1, text(table)),
    attribute(3, text(chain.name)),
    nested(4, attribute(1, be32(HOOK[chain.hook])), attribute(2, be32(chain.priority))),
    attribute(5, be32(1)),
    attribute(7, text(chain.type)),
  ])
}

/** For `dump`: the chains of all tables of all families. */
export function listChains(): NetlinkRequest {
  return request('list chains', { type: (SUBSYSTEM << 8) | MESSAGE.GETCHAIN, flags: 0 }, u8(0), u8(0), be16(0))
}

/** A chain that a hook calls; undefined for one that only other chains call. */
export function decodeBaseChain(answer: NetlinkMessage): NftBaseChain | undefined {
  const attributes = readAttributes(answer.payload.subarray(4))
  const hook = readAttributes(attributes.get(4) ?? Buffer.alloc(0)).get(1)
  const policy = attributes.get(5)
  if (!hook || !policy) return undefined
  return {
    family: answer.payload.readUInt8(0),
    table: readText(attributes.get(1) ?? Buffer.alloc(0)),
    name: readText(attributes.get(3) ?? Buffer.alloc(0)),
    hook: hook.readUInt32BE(0),
    isPolicyDrop: policy.readUInt32BE(0) === 0,
  }
}

/** Appends a rule; its expressions come from nftables-expressions.ts. */
export function appendRule(
  table: string,
  rule: { chain: string; comment: string; expressions: readonly Buffer[] },
): NetlinkRequest {
  const comment = Buffer.concat([u8(0), u8(rule.comment.length + 1), text(rule.comment)])
  return message(`add rule to ${rule.chain}`, MESSAGE.NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [
    attribute(1, text(table)),
    attribute(2, text(rule.chain)),
    nested(4, ...rule.expressions.map((expression) => nested(1, expression))),
    attribute(7, comment),
  ])
}

/** `id` distinguishes the sets of one batch. */
export function createSet(table: string, set: NftSet, id: number): NetlinkRequest {
  const flags = (set.value ? SET_MAP : 0) | (set.isInterval ? SET_INTERVAL : 0)
  return message(`create set ${set.name}`, MESSAGE.NEWSET, NLM_F_CREATE, [
    attribute(1, text(table)),
    attribute(2, text(set.name)),
    attribute(3, be32(flags)),
    attribute(4, be32(typeNumber(set.key))),
    attribute(5, be32(sizeOf(set.key))),
    ...(set.value ? [attribute(6, be32(typeNumber(set.value))), attribute(7, be32(sizeOf(set.value)))] : []),
    attribute(10, be32(id)),
    attribute(13, byteOrders(set)),
  ])
}

/** Succeeds where an equal element exists. */
export function addElements(table: string, set: string, elements: readonly NftElement[]): NetlinkRequest {
  return elementMessage('add', NEWSETELEM, NLM_F_CREATE, { table, set, elements })
}

/** Fails with ENOENT, and the batch with it, where an element does not exist. */
export function deleteElements(table: string, set: string, elements: readonly NftElement[]): NetlinkRequest {
  return elementMessage('delete', DELSETELEM, 0, { table, set, elements })
}

function elementMessage(
  verb: string,
  type: number,
  flags: number,
  { table, set, elements }: { table: string; set: string; elements: readonly NftElement[] },
): NetlinkRequest {
  return message(`${verb} elements of ${set}`, type, flags, [
    attribute(1, text(table)),
    attribute(2, text(set)),
    nested(3, ...elements.flatMap(encodeElement)),
  ])
}

/** For `dump`. */
export function listElements(table: string, set: string): NetlinkRequest {
  return message(`list elements of ${set}`, GETSETELEM, 0, [attribute(1, text(table)), attribute(2, text(set))])
}

/** The elements in one message of a dump; ends of ranges are left out. */
export function decodeElements(answer: NetlinkMessage): NftElement[] {
  const list = readAttributes(answer.payload.subarray(4)).get(3)
  if (!list) return []
  return listAttributes(list).flatMap(({ value: element }) => {
    const attributes = readAttributes(element)
    const key = dataValue(attributes.get(1))
    const value = dataValue(attributes.get(2))
    const isEnd = ((attributes.get(3)?.readUInt32BE(0) ?? 0) & ELEMENT_INTERVAL_END) !== 0
    if (!key || isEnd) return []
    return [value ? { key, value } : { key }]
  })
}

/** Parts of a key or value one after the other, each padded to four bytes, as registers hold them. */
export function concatenation(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.concat([part, Buffer.alloc(-part.length & 3)])))
}

/** An interface name as keys and comparisons have it: sixteen bytes. */
export function interfaceName(name: string): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.write(name)
  return bytes
}

function encodeElement(element: NftElement): Buffer[] {
  const start = nested(
    1,
    nested(1, attribute(1, element.key)),
    ...(element.value ? [nested(2, attribute(1, element.value))] : []),
  )
  if (!element.end) return [start]
  return [start, nested(1, nested(1, attribute(1, element.end)), attribute(3, be32(ELEMENT_INTERVAL_END)))]
}

function dataValue(data: Buffer | undefined): Buffer | undefined {
  return data && readAttributes(data).get(1)
}

function typeNumber(types: readonly NftDataType[]): number {
  return types.reduce((sum, type) => (sum << 6) | DATA_TYPE[type].number, 0)
}

/** User data for `nft list`: byte order of the key and, in maps, of the value; 0 for concatenations, 1 the host's, 2 the network's. */
function byteOrders(set: NftSet): Buffer {
  const orderOf = (types: readonly NftDataType[]) => (types.length > 1 ? 0 : types[0] === 'ifname' ? 1 : 2)
  const entry = (type: number, types: readonly NftDataType[]) => Buffer.from([type, 4, orderOf(types), 0, 0, 0])
  return Buffer.concat([entry(0, set.key), ...(set.value ? [entry(1, set.value)] : [])])
}

function sizeOf(types: readonly NftDataType[]): number {
  const [only] = types
  if (types.length === 1 && only) return DATA_TYPE[only].sizeBytes
  return types.reduce((sum, type) => sum + ((DATA_TYPE[type].sizeBytes + 3) & ~3), 0)
}

function message(subject: string, type: number, flags: number, attributes: readonly Buffer[]): NetlinkRequest {
  return request(subject, { type: (SUBSYSTEM << 8) | type, flags }, u8(NFPROTO_IPV4), u8(0), be16(0), ...attributes)
}
