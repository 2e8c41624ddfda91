import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlagValues, parseFlags } from '../flags.ts'
import { parseDevice, parseGpus } from './devices.ts'
import { parseMoment } from './moment.ts'
import { parseMount, parseVolumes } from './mounts.ts'
import { buildNetworks } from './networks.ts'
import { isIpAddress, parsePublish } from './publish.ts'
import { parseBytes, parseCpus, parseCsv, parseDuration } from './values.ts'

test('--mount: every kind with its options', () => {
  const cases: [string, object][] = [
    ['type=bind,source=/a,target=/b,ro', { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true }],
    [
      'src=v,dst=/b,volume-nocopy',
      { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Labels: {}, DriverConfig: {}, NoCopy: true } },
    ],
    [
      'type=bind,src=/a,dst=/b,bind-recursive=disabled',
      { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { NonRecursive: true } },
    ],
    [
      'type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777',
      { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1048576, Mode: 0o1777 } },
    ],
    [
      'type=volume,dst=/b,"volume-opt=o=a,b",volume-driver=d',
      {
        Type: 'volume',
        Target: '/b',
        VolumeOptions: { Labels: {}, DriverConfig: { Name: 'd', Options: { o: 'a,b' } } },
      },
    ],
  ]
  for (const [text, mount] of cases) assert.deepEqual(parseMount(text), mount, text)
  assert.throws(() => parseMount('type=bind,src=/a'), /target is required/)
})

test('--volume: binds, volumes, and paths without a source', () => {
  assert.deepEqual(parseVolumes(['/data', '/a:/b:ro', 'vol:/c', '/data']), {
    binds: ['/a:/b:ro', 'vol:/c'],
    anonymous: { '/data': {} },
  })
  assert.equal(parseVolumes(['./x:/y']).binds[0], `${process.cwd()}/x:/y`)
  assert.throws(() => parseVolumes(['aa::b']), /empty section between colons/)
})

test('--publish: addresses, ranges, protocols, the long form', () => {
  const { exposed, bindings } = parsePublish(
    ['127.0.0.1:8080-8081:80-81', '[::1]:9:9/udp', '70', '7000-7002:71', 'target=72,published=8072'],
    ['90-91/udp'],
  )
  assert.deepEqual(bindings, {
    '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }],
    '81/tcp': [{ HostIp: '127.0.0.1', HostPort: '8081' }],
    '9/udp': [{ HostIp: '::1', HostPort: '9' }],
    '70/tcp': [{ HostIp: '', HostPort: '' }],
    '71/tcp': [{ HostIp: '', HostPort: '7000-7002' }],
    '72/tcp': [{ HostIp: '', HostPort: '8072' }],
  })
  assert.ok('90/udp' in exposed && '91/udp' in exposed)
  assert.deepEqual(['1.2.3.4', '::1', '1.2.3', '256.1.1.1', 'x::'].map(isIpAddress), [true, true, false, false, false])
})

test('--network: the first takes the flags, the others only their own fields', () => {
  const flags = (...pairs: [string, string][]) => {
    const values = new FlagValues()
    for (const [name, value] of pairs) values.add({ name, kind: 'list', usage: '' }, value)
    return values
  }
  assert.deepEqual(buildNetworks(flags()), { mode: 'default', endpoints: {} })
  assert.deepEqual(buildNetworks(flags(['network', 'name=a,alias=x'], ['network', 'b'], ['ip', '1.2.3.4'])), {
    mode: 'a',
    endpoints: { a: { IPAMConfig: { IPv4Address: '1.2.3.4' }, Aliases: ['x'] }, b: {} },
  })
  assert.throws(
    () => buildNetworks(flags(['network', 'host'], ['network-alias', 'x'])),
    /only supported for user-defined/,
  )
})

test('sizes, durations, processors, CSV', () => {
  assert.deepEqual(['1', '1k', '1.5g', '2MiB', '3kb'].map(parseBytes), [1, 1024, 1610612736, 2097152, 3072])
  assert.deepEqual(['1h2m3s', '1.5s', '-2ms', '0'].map(parseDuration), [3723e9, 1.5e9, -2e6, 0])
  assert.deepEqual(['0.5', '1/4', '2'].map(parseCpus), [5e8, 25e7, 2e9])
  assert.deepEqual(parseCsv('a,"b,""c""",d'), ['a', 'b,"c"', 'd'])
  assert.throws(() => parseDuration('5'), /missing unit in duration "5"/)
})

test('devices and GPUs', () => {
  const device = (PathOnHost: string, PathInContainer: string, CgroupPermissions: string) => ({
    PathOnHost,
    PathInContainer,
    CgroupPermissions,
  })
  assert.deepEqual(parseDevice('/dev/null'), device('/dev/null', '/dev/null', 'rwm'))
  assert.deepEqual(parseDevice('/dev/null:r'), device('/dev/null', '/dev/null', 'r'))
  assert.deepEqual(parseDevice('/dev/null:/dev/x:rw'), device('/dev/null', '/dev/x', 'rw'))
  assert.equal(parseGpus('all').Count, -1)
  assert.deepEqual(parseGpus('"device=0,1",driver=x').DeviceIDs, ['0', '1'])
})

test('moments: durations back from now, dates, seconds', () => {
  assert.equal(parseMoment('10s', undefined, 20_500), '10')
  assert.equal(parseMoment('1970-01-01T00:00:01.5Z'), '1.500000000')
  assert.equal(parseMoment('12.5'), '12.5')
  assert.throws(
    () => parseMoment('bogus', 'since'),
    /invalid value for "since": failed to parse value as time or duration: "bogus"/,
  )
})

test('flags: letters together, values joined, integers with prefixes, the end of the flags', () => {
  const table = [
    { name: 'all', short: 'a', kind: 'boolean', usage: '' },
    { name: 'port', short: 'p', kind: 'list', usage: '' },
    { name: 'number', short: 'n', kind: 'int', usage: '' },
  ] as const
  const { flags, args } = parseFlags(['-ap80', '--port=81', '-n', '0x10', 'image', '--all=false'], table, false)
  assert.deepEqual([flags.boolean('all'), flags.list('port'), flags.number('number')], [true, ['80', '81'], 16])
  assert.deepEqual(args, ['image', '--all=false'])
  assert.throws(() => parseFlags(['-ax'], table, true), /unknown shorthand flag: 'x' in -x/)
})
