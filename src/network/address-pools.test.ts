import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseAddress, chooseSubnet } from './address-pools.ts'
import { formatIpv4, formatSubnet, parseCidr, parseIpv4 } from './ipv4.ts'

const subnets = (...texts: string[]) => texts.map((text) => parseCidr(text).subnet)

test('subnets come in Docker’s order, those in use left out', () => {
  const taken: ReturnType<typeof subnets> = []
  const chosen: string[] = []
  for (let i = 0; i < 31; i++) {
    const next = chooseSubnet(taken)
    chosen.push(formatSubnet(next))
    taken.push(next)
  }
  assert.equal(chosen[0], '172.17.0.0/16')
  assert.equal(chosen[3], '172.20.0.0/16')
  assert.equal(chosen[14], '172.31.0.0/16')
  assert.equal(chosen[15], '192.168.0.0/20')
  assert.equal(chosen[30], '192.168.240.0/20')
  assert.throws(() => chooseSubnet(taken), { code: 'resource-exhausted', message: /non-overlapping IPv4 address pool/ })
})

test('a host route inside or around a pool takes it out', () => {
  assert.equal(formatSubnet(chooseSubnet(subnets('172.17.42.0/24'))), '172.18.0.0/16')
  assert.equal(formatSubnet(chooseSubnet(subnets('172.16.0.0/12'))), '192.168.0.0/20')
  assert.equal(formatSubnet(chooseSubnet(subnets('172.16.0.0/12', '192.168.1.7/32'))), '192.168.16.0/20')
})

test('the lowest free address behind the gateway is given', () => {
  const [subnet] = subnets('172.17.0.0/16')
  assert.ok(subnet)
  const gateway = parseIpv4('172.17.0.1')
  const give = (...taken: string[]) => formatIpv4(chooseAddress(subnet, gateway, new Set(taken.map(parseIpv4))))
  assert.equal(give(), '172.17.0.2')
  assert.equal(give('172.17.0.2', '172.17.0.4'), '172.17.0.3')
})

test('neither network, gateway nor broadcast address is given away', () => {
  const [subnet] = subnets('10.0.0.0/30')
  assert.ok(subnet)
  const gateway = parseIpv4('10.0.0.2')
  assert.equal(formatIpv4(chooseAddress(subnet, gateway, new Set())), '10.0.0.1')
  assert.throws(() => chooseAddress(subnet, gateway, new Set([parseIpv4('10.0.0.1')])), { code: 'resource-exhausted' })
})
