import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatHostNetworkHostsFile, formatHostsFile, parseExtraHost, replaceHostsAddress } from './hosts-file.ts'

// The bytes of `docker run --rm [flags] image cat /etc/hosts` of dockerd 20.10.
const STANDARD = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`
const PLAIN = { hostname: '4d821ff893f3', domainname: '', addresses: ['172.17.0.2'], extraHosts: [], hostGateways: [] }

test('/etc/hosts is Docker’s', () => {
  assert.equal(formatHostsFile(PLAIN), `${STANDARD}172.17.0.2\t4d821ff893f3\n`)
  assert.equal(formatHostsFile({ ...PLAIN, addresses: [] }), STANDARD)
  assert.equal(
    formatHostsFile({
      hostname: 'foo',
      domainname: 'example.com',
      addresses: ['172.17.0.2'],
      extraHosts: ['a:1.2.3.4', 'gw:host-gateway', 'b:::1'],
      hostGateways: ['172.17.0.1'],
    }),
    `${STANDARD}1.2.3.4\ta\n172.17.0.1\tgw\n::1\tb\n172.17.0.2\tfoo.example.com foo\n`,
  )
})

test('who is linked to stands between extra hosts and the container itself; no name makes a line of its own', () => {
  const linked = [{ address: '172.17.0.3', names: ['db', '', 'a b', 'x\n6.6.6.6', 'store'] }]
  assert.equal(
    formatHostsFile({ ...PLAIN, extraHosts: ['a:1.2.3.4'], linked }),
    `${STANDARD}1.2.3.4\ta\n172.17.0.3\tdb store\n172.17.0.2\t4d821ff893f3\n`,
  )
})

test('a new address is put where the first name is the one meant', () => {
  const file = '1.1.1.1\tdb host\n# 1.1.1.1 db\n2.2.2.2\tdb2 db\n3.3.3.3\tdb.example\n4.4.4.4\tother db\n5.5.5.5\tdb\n'
  assert.equal(
    replaceHostsAddress(file, 'db', '9.9.9.9'),
    '9.9.9.9\tdb host\n# 1.1.1.1 db\n2.2.2.2\tdb2 db\n9.9.9.9\tdb.example\n4.4.4.4\tother db\n9.9.9.9\tdb\n',
  )
})

test('a hostname with dots is split', () => {
  assert.ok(formatHostsFile({ ...PLAIN, hostname: 'a.b.c' }).endsWith('172.17.0.2\ta.b.c a\n'))
})

test('in the host’s network the file is the host’s until there are extra hosts', () => {
  assert.equal(formatHostNetworkHostsFile('127.0.0.1 vm\n', PLAIN), '127.0.0.1 vm\n')
  assert.equal(
    formatHostNetworkHostsFile('127.0.0.1 vm\n', { extraHosts: ['a:1.2.3.4'], hostGateways: [] }),
    `${STANDARD}1.2.3.4\ta\n`,
  )
})

test('extra hosts can’t add lines of their own', () => {
  for (const entry of ['a', 'a:', ':1.2.3.4', 'a:b', 'a\nb:1.2.3.4', 'a:1.2.3.4\n6.6.6.6 x'])
    assert.throws(() => parseExtraHost(entry), { code: 'invalid-argument' }, JSON.stringify(entry))
  assert.deepEqual(parseExtraHost('a:[fd00::1]'), { name: 'a', address: 'fd00::1' })
})
