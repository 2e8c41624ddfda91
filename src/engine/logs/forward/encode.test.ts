import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LocalEntry } from '../local-entry.ts'
import { fluentdRecord } from './fluentd.ts'
import { encodeGelf, pack } from './gelf.ts'
import { encodeJournalEntry, fieldName } from './journald.ts'
import { packEvent, packEventTime, packSeconds, packText, unpackAck } from './msgpack.ts'
import { encodeSyslog } from './syslog.ts'
import type { SyslogOptions } from './syslog-options.ts'
import { parseUrl, splitHostPort } from './transport-address.ts'

const ENTRY: LocalEntry = {
  line: Buffer.from('text'),
  isStderr: false,
  timeNs: 1_767_323_045_600_007_008n,
  partial: undefined,
  attributes: {},
}
const LABELS = { hostname: 'host', tag: 'tag', pid: 7 }
const TLS = { kind: 'tls', host: 'h', port: 1, ca: '', cert: '', key: '', skipsVerification: false } as const

test('syslog: RFC 3164 has the short time, RFC 5424 the long one with its offset, and TLS counts', () => {
  const encode = (options: Partial<SyslogOptions>, entry = ENTRY) =>
    encodeSyslog(entry, { address: undefined, facility: 24, format: 'rfc3164', ...options }, LABELS).toString()
  assert.match(encode({}), /^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d host tag\[7\]: text\n$/)
  assert.match(encode({ format: '' }), /^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d tag\[7\]: text\n$/)
  assert.match(
    encode({ format: 'rfc5424' }, { ...ENTRY, isStderr: true }),
    /^<27>1 \S+:05(Z|[+-]\d\d:\d\d) host tag 7 tag - text\n$/,
  )
  assert.match(encode({ format: 'rfc5424micro' }), /^<30>1 \S+:05\.600007(Z|[+-]\d\d:\d\d) host tag 7 tag - text\n$/)
  const counted = encode({ format: 'rfc5424', address: TLS })
  assert.equal(Number(counted.split(' ', 1)[0]), counted.length - counted.indexOf('<'))
  assert.match(encode({ format: 'rfc3164', address: TLS }), /^</)
})

test('gelf: chunks carry one id and their places, and what needs too many is dropped', () => {
  const message = encodeGelf(ENTRY, 'host', '"_a":"b"').toString()
  assert.equal(
    message,
    '{"version":"1.1","host":"host","short_message":"text","timestamp":1767323045.6,"level":6,"_a":"b"}',
  )
  const udp = { address: { kind: 'udp', host: 'h', port: 1 }, compression: 'none', level: 1 } as const
  const chunks = pack(Buffer.alloc(3000, 'x'), udp)
  assert.deepEqual(
    chunks.map((chunk) => [chunk.length, chunk[10], chunk[11]]),
    [
      [1420, 0, 3],
      [1420, 1, 3],
      [12 + 3000 - 2 * 1408, 2, 3],
    ],
  )
  assert.equal(new Set(chunks.map((chunk) => chunk.toString('hex', 2, 10))).size, 1)
  assert.deepEqual(pack(Buffer.alloc(1408 * 128), udp), [])
})

test('fluentd: messages by the specification of MessagePack', () => {
  assert.equal(packEvent('t', packSeconds(1), { k: 'v' }, {}).toString('hex'), '94a174d20000000181a16ba17680')
  assert.equal(packEventTime(ENTRY.timeNs).toString('hex'), 'd700695735a523c36160')
  assert.equal(packEventTime(-1n).toString('hex'), 'd700ffffffff3b9ac9ff')
  assert.equal(packText('x'.repeat(40)).toString('hex', 0, 2), 'd928')
  assert.equal(packText('x'.repeat(300)).toString('hex', 0, 3), 'da012c')
  const partial = { id: 'i', ordinal: 2, isLast: true }
  assert.deepEqual(fluentdRecord({ ...ENTRY, partial }), {
    source: 'stdout',
    log: 'text',
    partial_message: 'true',
    partial_id: 'i',
    partial_ordinal: '2',
    partial_last: 'true',
  })
})

test('fluentd: an acknowledgement may come in pieces, and anything else is refused', () => {
  const ack = Buffer.from('81a361636ba3786f78', 'hex')
  for (let size = 0; size < ack.length; size++) assert.equal(unpackAck(ack.subarray(0, size)), undefined)
  assert.deepEqual(unpackAck(Buffer.concat([ack, ack])), { ack: 'xox', size: ack.length })
  for (const other of ['82', '81a3616361', '81c0', 'c0'])
    assert.throws(() => unpackAck(Buffer.from(other, 'hex')), { code: 'invalid-argument' })
})

test('journald: fields a line each, values of several lines with their length, names as journald takes them', () => {
  const text = encodeJournalEntry(
    { ...ENTRY, line: Buffer.from('a\nb') },
    { CONTAINER_NAME: 'web', '': 'dropped' },
  ).toString('latin1')
  assert.equal(
    text,
    'PRIORITY=6\nMESSAGE\n\x03\0\0\0\0\0\0\0a\nb\nCONTAINER_NAME=web\nSYSLOG_TIMESTAMP=2026-01-02T03:04:05.600007008Z\n',
  )
  assert.equal(fieldName('_com.Example/x-1'), 'COM_EXAMPLE_X_1')
})

test('addresses are read as Go reads them', () => {
  assert.deepEqual(parseUrl('TCP+TLS://[::1]:6514/p'), { scheme: 'tcp+tls', host: '[::1]:6514', path: '/p' })
  assert.deepEqual(splitHostPort('[::1]:6514'), { host: '::1', port: 6514 })
  assert.equal(splitHostPort('host'), undefined)
  assert.throws(() => parseUrl('udp://h:x'), { message: 'parse "udp://h:x": invalid port ":x" after host' })
})
