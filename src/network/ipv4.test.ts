import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIpv4, formatSubnet, lastAddress, macOf, overlaps, parseCidr, parseIpv4 } from './ipv4.ts'

test('parseIpv4 and formatIpv4 are each other’s inverse', () => {
  for (const text of ['0.0.0.0', '172.17.0.1', '255.255.255.255']) assert.equal(formatIpv4(parseIpv4(text)), text)
})

test('parseIpv4 refuses what Go refuses', () => {
  for (const text of ['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1.2.3.x', ' 1.2.3.4', '::1'])
    assert.throws(() => parseIpv4(text), { code: 'invalid-argument' }, text)
})

test('parseCidr gives the address and the subnet around it', () => {
  const { address, subnet } = parseCidr('192.168.5.1/24')
  assert.equal(formatIpv4(address), '192.168.5.1')
  assert.equal(formatSubnet(subnet), '192.168.5.0/24')
  assert.equal(formatIpv4(lastAddress(subnet)), '192.168.5.255')
  for (const text of ['192.168.5.1', '192.168.5.1/33', '192.168.5.1/', '192.168.5.1/24/1', '192.168.5.1/-1'])
    assert.throws(() => parseCidr(text), { code: 'invalid-argument' }, text)
})

test('overlaps holds both ways, at the edges too', () => {
  const cases: [string, string, boolean][] = [
    ['172.17.0.0/16', '172.17.5.0/24', true],
    ['172.17.0.0/16', '172.18.0.0/16', false],
    ['128.0.0.0/1', '192.168.0.0/16', true],
    ['0.0.0.0/0', '10.0.0.0/8', true],
    ['10.0.0.0/32', '10.0.0.1/32', false],
  ]
  for (const [a, b, expected] of cases) {
    const [left, right] = [parseCidr(a).subnet, parseCidr(b).subnet]
    assert.equal(overlaps(left, right), expected, `${a} ${b}`)
    assert.equal(overlaps(right, left), expected, `${b} ${a}`)
  }
})

test('a hardware address is Docker’s prefix and the address', () => {
  assert.equal(macOf(parseIpv4('172.17.0.2')), '02:42:ac:11:00:02')
})
