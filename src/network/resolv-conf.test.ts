import assert from 'node:assert/strict'
import { test } from 'node:test'
import { containerResolvConf, type DnsOverrides, hostResolvConf } from './resolv-conf.ts'

const NONE: DnsOverrides = { nameservers: [], searches: [], options: [] }

// The bytes of `docker run --rm [flags] image cat /etc/resolv.conf` of dockerd 20.10 on a host with one nameserver.
test('resolv.conf is Docker’s', () => {
  const host = 'nameserver 10.255.255.53\n'
  const cases: [DnsOverrides, string][] = [
    [NONE, 'nameserver 10.255.255.53\n'],
    [
      { nameservers: ['1.1.1.1'], searches: ['a.b'], options: ['ndots:3'] },
      'search a.b\nnameserver 1.1.1.1\noptions ndots:3\n',
    ],
    [{ ...NONE, searches: ['.'] }, 'nameserver 10.255.255.53\n'],
  ]
  for (const [overrides, expected] of cases) assert.equal(containerResolvConf(host, overrides), expected)
})

test('what is not overridden stays the host’s', () => {
  const host = 'search old\nsearch corp.example lan\nnameserver 10.0.0.1\noptions timeout:1 rotate\n'
  assert.equal(
    containerResolvConf(host, { ...NONE, nameservers: ['9.9.9.9'] }),
    'search corp.example lan\nnameserver 9.9.9.9\noptions timeout:1 rotate\n',
  )
})

test('nameservers that a container can’t reach are left out', () => {
  const host =
    '# by hand\nsearch x\nnameserver 127.0.0.1\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver 10.0.0.1 # dc\n'
  assert.equal(containerResolvConf(host, NONE), '# by hand\nsearch x\nnameserver 10.0.0.1 # dc\n')
  const both = 'nameserver 2001:db8::1\nnameserver 10.0.0.1\n'
  assert.equal(containerResolvConf(both, NONE), 'nameserver 10.0.0.1\n')
  assert.equal(containerResolvConf(both, NONE, { hasIpv6: true }), both)
})

test('without any nameserver left there are public ones', () => {
  const google = 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n'
  assert.equal(containerResolvConf('', NONE), google)
  assert.equal(containerResolvConf('search x\nnameserver 127.0.0.53\n', NONE), `search x\n${google}`)
})

test('behind systemd-resolved’s stub its own file counts', () => {
  const files: Record<string, string> = {
    '/etc/resolv.conf': 'nameserver 127.0.0.53\noptions edns0\n',
    '/run/systemd/resolve/resolv.conf': 'nameserver 10.0.0.1\n',
  }
  assert.equal(
    hostResolvConf((path) => files[path]),
    'nameserver 10.0.0.1\n',
  )
  assert.equal(
    hostResolvConf((path) => (path.startsWith('/etc') ? files[path] : undefined)),
    files['/etc/resolv.conf'],
  )
  assert.equal(
    hostResolvConf(() => undefined),
    '',
  )
})
