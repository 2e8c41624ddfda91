// The bytes of `nft --debug=mnl -f` (nftables 1.0.6) for the same table: what nft itself would have sent.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import {
  addressIsLocal,
  addressIsLoopback,
  CT_ESTABLISHED_RELATED,
  CT_STATUS_DNAT,
  conntrackHas,
  dnatToRegisters,
  interfaceIn,
  interfaceIs,
  loadAddress,
  loadDestinationPort,
  loadMeta,
  lookup,
  masquerade,
  verdict,
} from './nftables-expressions.ts'
import {
  addElements,
  appendRule,
  concatenation,
  createChain,
  createSet,
  createTable,
  decodeElements,
  decodeTableComment,
  interfaceName,
} from './nftables-messages.ts'

const TABLE = 'berth-test'
const HEADER = '020000000f00010062657274682d746573740000' // IPv4, and the table's name

const payload = (request: NetlinkRequest) => request.bytes.subarray(16).toString('hex')
const answer = (request: NetlinkRequest): NetlinkMessage => ({
  type: 0,
  flags: 0,
  sequence: 0,
  payload: request.bytes.subarray(16),
})

test('createChain writes hook, priority, policy and type as nft does', () => {
  assert.equal(
    sorted(payload(createChain(TABLE, { name: 'prerouting', type: 'nat', hook: 'prerouting', priority: -100 }))),
    sorted(
      `${HEADER}0f000300707265726f7574696e670000080007006e617400080005000000000114000480080001000000000008000200ffffff9c`,
    ),
  )
})

test('createSet writes types and sizes of maps with concatenated keys as nft does', () => {
  const map = createSet(
    TABLE,
    { name: 'publish', key: ['inet_proto', 'ipv4_addr', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
    1,
  )
  const golden = `${HEADER}0c0002007075626c697368000800030000000008080004000000c1cd080005000000000c08000600000001cd080007000000000808000a0000000001`
  assert.ok(payload(map).startsWith(golden))
  const set = createSet(TABLE, { name: 'bridges', key: ['ifname'] }, 3)
  assert.equal(
    payload(set),
    `${HEADER}0c000200627269646765730008000300000000000800040000000029080005000000001008000a00000000030a000d00000401000000`.padEnd(
      payload(set).length,
      '0',
    ),
  )
})

test('addElements writes keys and values padded as nft does', () => {
  const element = {
    key: concatenation(Buffer.from([6]), Buffer.from([127, 0, 0, 1]), Buffer.from([0x1f, 0x90])),
    value: concatenation(Buffer.from([172, 17, 0, 2]), Buffer.from([0, 80])),
  }
  assert.equal(
    payload(addElements(TABLE, 'publish', [element])),
    `${HEADER}0c0002007075626c697368002c000380280001801400018010000100060000007f0000011f900000100002800c000100ac11000200500000`,
  )
  assert.equal(
    payload(addElements(TABLE, 'bridges', [{ key: interfaceName('br0') }])),
    `${HEADER}0c0002006272696467657300200003801c000180180001801400010062723000000000000000000000000000`,
  )
})

test('rules are the expressions that nft makes of the same text', () => {
  const cases: { text: string; expressions: Buffer[]; golden: string }[] = [
    {
      text: 'fib daddr type local dnat ip to meta l4proto . ip daddr . th dport map @publish',
      expressions: [
        ...addressIsLocal('daddr'),
        loadMeta('l4proto'),
        loadAddress('daddr', 9),
        loadDestinationPort(10),
        lookup('publish', { into: 1 }),
        dnatToRegisters(),
      ],
      golden:
        '4c0104802800018008000100666962001c0002800800030000000002080002000000000308000100000000012c00018008000100636d700020000280080001000000000108000200000000000c000380080001000200000024000180090001006d657461000000001400028008000200000000100800010000000001340001800c0001007061796c6f616400240002800800010000000009080002000000000108000300000000100800040000000004340001800c0001007061796c6f61640024000280080001000000000a080002000000000208000300000000020800040000000002380001800b0001006c6f6f6b7570000028000280080002000000000108000300000000010c0001007075626c69736800080004000000000130000180080001006e617400240002800800010000000001080002000000000208000300000000010800050000000009',
    },
    {
      text: 'iifname "br0" ip saddr 127.0.0.0/8 drop',
      expressions: [...interfaceIs('iifname', 'br0'), ...addressIsLoopback('saddr'), verdict('drop')],
      golden:
        'f000048024000180090001006d6574610000000014000280080002000000000608000100000000013800018008000100636d70002c00028008000100000000010800020000000000180003801400010062723000000000000000000000000000340001800c0001007061796c6f6164002400028008000100000000010800020000000001080003000000000c08000400000000012c00018008000100636d700020000280080001000000000108000200000000000c000380050001007f000000300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000000',
    },
    {
      text: 'oifname "br0" fib saddr type local masquerade',
      expressions: [...interfaceIs('oifname', 'br0'), ...addressIsLocal('saddr'), masquerade()],
      golden:
        'c800048024000180090001006d6574610000000014000280080002000000000708000100000000013800018008000100636d70002c000280080001000000000108000200000000001800038014000100627230000000000000000000000000002800018008000100666962001c0002800800030000000001080002000000000308000100000000012c00018008000100636d700020000280080001000000000108000200000000000c000380080001000200000014000180090001006d6173710000000004000280',
    },
    {
      text: 'iifname @bridges accept',
      expressions: [...interfaceIn('iifname', 'bridges'), verdict('accept')],
      golden:
        '8800048024000180090001006d657461000000001400028008000200000000060800010000000001300001800b0001006c6f6f6b757000002000028008000200000000010c00010062726964676573000800040000000003300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000001',
    },
    {
      text: 'oifname "br0" ct state established,related accept',
      expressions: [
        ...interfaceIs('oifname', 'br0'),
        ...conntrackHas('state', CT_ESTABLISHED_RELATED),
        verdict('accept'),
      ],
      golden:
        '2001048024000180090001006d6574610000000014000280080002000000000708000100000000013800018008000100636d70002c000280080001000000000108000200000000001800038014000100627230000000000000000000000000002000018007000100637400001400028008000200000000000800010000000001440001800c0001006269747769736500340002800800010000000001080002000000000108000300000000040c00048008000100060000000c00058008000100000000002c00018008000100636d700020000280080001000000000108000200000000010c0003800800010000000000300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000001',
    },
    {
      text: 'ct status dnat accept',
      expressions: [...conntrackHas('status', CT_STATUS_DNAT), verdict('accept')],
      golden:
        'c40004802000018007000100637400001400028008000200000000020800010000000001440001800c0001006269747769736500340002800800010000000001080002000000000108000300000000040c00048008000100200000000c00058008000100000000002c00018008000100636d700020000280080001000000000108000200000000010c0003800800010000000000300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c0002800800010000000001',
    },
  ]
  for (const { text, expressions, golden } of cases) {
    const rule = payload(appendRule(TABLE, { chain: 'c', comment: '', expressions }))
    assert.equal(sorted(expressionsOf(rule)), sorted(expressionsOf(golden)), text)
  }
})

test('decodeElements returns keys and values, without the ends of ranges', () => {
  const ranges = [{ key: Buffer.from([172, 17, 0, 0]), end: Buffer.from([172, 18, 0, 0]) }]
  assert.deepEqual(decodeElements(answer(addElements(TABLE, 's', ranges))), [{ key: Buffer.from([172, 17, 0, 0]) }])
  const mapped = [{ key: Buffer.from([1, 2, 3, 4]), value: Buffer.from([5, 6, 7, 8]) }]
  assert.deepEqual(decodeElements(answer(addElements(TABLE, 's', mapped))), mapped)
})

test('a table gives its comment back', () => {
  assert.equal(decodeTableComment(answer(createTable(TABLE, 'layout 12'))), 'layout 12')
})

/** The list of expressions in a rule's message, or in a bare attribute of them. */
function expressionsOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex')
  const start = bytes.readUInt16LE(2) === 0x8004 ? 0 : bytes.indexOf(Buffer.from([0x04, 0x80])) - 2
  return bytes.subarray(start + 4, start + bytes.readUInt16LE(start)).toString('hex')
}

/**
 * The order of attributes means nothing to the kernel, so the leaves are compared. nft names a set of the same batch by an id as well;
 * ours are named by their names alone, so a lookup's attribute 4 is left out.
 */
function sorted(hex: string): string {
  const all = [...leaves(Buffer.from(hex, 'hex'))]
  const lookups = all.filter((leaf) => leaf.endsWith(`/1=${Buffer.from('lookup\0').toString('hex')}`))
  const ids = lookups.map((leaf) => leaf.replace(/\/1=.*$/, '/2/4='))
  return all
    .filter((leaf) => !ids.some((id) => leaf.startsWith(id)))
    .sort()
    .join('\n')
}

function* leaves(bytes: Buffer, path = ''): Generator<string> {
  const start = path === '' && bytes.readUInt32LE(0) === 2 ? 4 : 0
  let counter = 0
  for (let offset = start; offset + 4 <= bytes.length; ) {
    const size = bytes.readUInt16LE(offset)
    const type = bytes.readUInt16LE(offset + 2)
    const value = bytes.subarray(offset + 4, offset + size)
    const isNested = (type & 0x8000) !== 0
    const here = `${path}/${type & 0x3fff}${(type & 0x3fff) === 1 && isNested ? `#${counter++}` : ''}`
    if (isNested) yield* leaves(value, here)
    else yield `${here}=${value.toString('hex')}`
    offset += (size + 3) & ~3
  }
}
