import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CgroupLimits } from '../cgroup.ts'
import { annotationProperties } from './annotation-properties.ts'
import { expandSlice, placeUnit } from './unit-name.ts'
import {
  bitsOfList,
  INFINITY,
  planBirthProperties,
  planUnitProperties,
  type UnitHost,
  type UnitProperty,
} from './unit-properties.ts'

const V1: UnitHost = { cgroupVersion: 1, systemdVersion: 252, memoryBytesMax: undefined }
const V2: UnitHost = { ...V1, cgroupVersion: 2 }

const text = ({ name, signature, value }: UnitProperty) =>
  `${name} ${signature} ${value instanceof Uint8Array ? Buffer.from(value).toString('hex') : Array.isArray(value) ? JSON.stringify(value) : String(value)}`
const planned = (limits: CgroupLimits, host: UnitHost) => planUnitProperties(limits, host).properties.map(text)

test('where a unit has its group', () => {
  const cases: [string, boolean, string, string][] = [
    ['system.slice:docker:abc', false, 'docker-abc.scope', '/system.slice/docker-abc.scope'],
    ['', false, 'runc-id1.scope', '/system.slice/runc-id1.scope'],
    ['', true, 'runc-id1.scope', '/user.slice/runc-id1.scope'],
    [':libpod:x', true, 'libpod-x.scope', '/user.slice/libpod-x.scope'],
    ['a-b-c.slice:p:n', false, 'p-n.scope', '/a.slice/a-b.slice/a-b-c.slice/p-n.scope'],
    ['-.slice:p:n', false, 'p-n.scope', '/p-n.scope'],
    ['kubepods.slice::kubepods-pod1.slice', false, 'kubepods-pod1.slice', '/kubepods.slice/kubepods-pod1.slice'],
  ]
  for (const [given, isUser, unit, path] of cases) {
    const place = placeUnit(given, 'id1', isUser)
    assert.equal(place.unit, unit, given)
    assert.equal(place.path, path, given)
  }
})

test('what is no name of a unit or slice is refused', () => {
  const cases: [string, RegExp][] = [
    [
      '/docker/abc',
      /^expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "\/docker\/abc" instead$/,
    ],
    ['a:b:c:d', /^expected cgroupsPath/],
    ['a.slice:b:../../c', /^linux\.cgroupsPath: "b-\.\.\/\.\.\/c\.scope" is not a valid unit name$/],
    ['a.slice:b:c d', /is not a valid unit name$/],
    [`a.slice:b:${'c'.repeat(250)}`, /is not a valid unit name$/],
    ['a:b:c', /^invalid slice name: a$/],
    ['.slice:b:c', /^invalid slice name: \.slice$/],
    ['a--b.slice:b:c', /^invalid slice name: a--b\.slice$/],
    ['-a.slice:b:c', /^invalid slice name: -a\.slice$/],
    ['../a.slice:b:c', /^invalid slice name: /],
  ]
  for (const [given, message] of cases)
    assert.throws(() => placeUnit(given, 'id', false), { code: 'invalid-argument', message }, given)
  assert.equal(expandSlice('-.slice'), '/')
})

test('limits of v1 as properties', () => {
  const cases: [CgroupLimits, string[]][] = [
    [{}, []],
    [{ memoryBytesMax: 64 }, ['MemoryLimit t 64']],
    [{ memoryBytesMax: -1, memorySwapBytesMax: 9 }, [`MemoryLimit t ${INFINITY}`]],
    [{ cpuShares: 2 }, ['CPUShares t 2']],
    [{ blockIoWeight: 300 }, ['BlockIOWeight t 300']],
    [{ pidsMax: 5 }, ['TasksMax t 5']],
    [{ pidsMax: -1 }, [`TasksMax t ${INFINITY}`]],
    [{ cpuIdle: 1 }, []], // written only
  ]
  for (const [limits, expected] of cases) assert.deepEqual(planned(limits, V1), expected, JSON.stringify(limits))
})

test('limits of v2 as properties', () => {
  const cases: [CgroupLimits, string[], Partial<UnitHost>?][] = [
    [{ memoryBytesMax: 64, memorySwapBytesMax: 100 }, ['MemoryMax t 64', 'MemorySwapMax t 36']],
    [{ memoryBytesMax: -1 }, [`MemoryMax t ${INFINITY}`, `MemorySwapMax t ${INFINITY}`]],
    [{ memorySwapBytesMax: 100 }, ['MemorySwapMax t 30'], { memoryBytesMax: 70n }],
    [{ memoryReservationBytes: 7 }, ['MemoryLow t 7']],
    [{ cpuShares: 1024 }, ['CPUWeight t 100']],
    [{ cpuIdle: 1, cpuShares: 1024 }, ['CPUWeight t 0']],
    [{ cpuIdle: 1, cpuShares: 1024 }, ['CPUWeight t 100'], { systemdVersion: 251 }],
    [{ blockIoWeight: 500 }, ['IOWeight t 4950']],
    [{ cpusetCpus: '0-2,9', cpusetMems: '1' }, ['AllowedCPUs ay 0702', 'AllowedMemoryNodes ay 02']],
    [{ cpusetCpus: '0' }, [], { systemdVersion: 243 }],
    [
      {
        unified: {
          'memory.high': 'max',
          'memory.min': ' 5\n',
          'memory.swap.max': '6',
          'pids.max': '0',
          'cpu.weight': '33',
        },
      },
      [`MemoryHigh t ${INFINITY}`, 'MemoryMin t 5', 'MemorySwapMax t 6', 'TasksMax t 1', 'CPUWeight t 33'],
    ],
    [{ unified: { 'cpu.max': '5000 10000' } }, ['CPUQuotaPeriodUSec t 10000', 'CPUQuotaPerSecUSec t 500000']],
    [{ unified: { 'cpu.max': 'max' } }, ['CPUQuotaPeriodUSec t 100000', `CPUQuotaPerSecUSec t ${INFINITY}`]],
    [{ unified: { 'cpu.idle': '1', 'cpu.weight': '5' } }, ['CPUWeight t 0']],
    [{ unified: { 'cpuset.cpus': '8' } }, ['AllowedCPUs ay 0001']],
    [{ unified: { 'hugetlb.2MB.max': '5', 'memory.oom.group': '1' } }, []],
  ]
  for (const [limits, expected, host] of cases)
    assert.deepEqual(planned(limits, { ...V2, ...host }), expected, JSON.stringify(limits))
})

test('a quota is rounded up to whole percents, and written so, too', () => {
  const cases: [quota: number, period: number, perSecond: string, written: number | undefined][] = [
    [50_000, 100_000, '500000', undefined],
    [12_345, 0, '130000', 13_000],
    [12_345, 100_000, '130000', 13_000],
    [1_000, 100_000, '10000', undefined],
    [999, 100_000, '10000', 1_000],
    [33_333, 20_000, '1670000', 33_400],
  ]
  for (const [cpuQuotaUs, cpuPeriodUs, perSecond, written] of cases) {
    const { properties, limits } = planUnitProperties({ cpuQuotaUs, cpuPeriodUs }, V2)
    assert.equal(text(properties.at(-1)!), `CPUQuotaPerSecUSec t ${perSecond}`)
    assert.equal(limits.cpuQuotaUs, written ?? cpuQuotaUs)
  }
  assert.deepEqual(planned({ cpuPeriodUs: 5000 }, V2), [
    'CPUQuotaPeriodUSec t 5000',
    `CPUQuotaPerSecUSec t ${INFINITY}`,
  ])
  assert.deepEqual(planned({ cpuPeriodUs: 5000 }, { ...V2, systemdVersion: 241 }), [`CPUQuotaPerSecUSec t ${INFINITY}`])
  assert.deepEqual(planned({ cpuQuotaUs: -1 }, V2), [`CPUQuotaPerSecUSec t ${INFINITY}`])
})

test('what a unit must be born with', () => {
  const born = (value: string, systemdVersion: number) =>
    planBirthProperties({ unified: { 'memory.oom.group': value } }, { ...V2, systemdVersion }).map(text)
  assert.deepEqual(born('1', 253), ['OOMPolicy s kill'])
  assert.deepEqual(born('0', 253), ['OOMPolicy s continue'])
  assert.deepEqual(born('1', 252), [])
  assert.deepEqual(planBirthProperties({}, V2), [])
})

type Rules = NonNullable<CgroupLimits['devices']>
const any = { major: undefined, minor: undefined }
const NOTHING = { allow: false, type: 'a', ...any, access: 'rwm' } as const
const clear = 'DeviceAllow a(ss) []'

test('devices: a list of what is allowed, and never more than the rules where systemd alone decides', () => {
  const rule = (type: 'b' | 'c', major?: number, minor?: number, access = 'rwm') => ({
    allow: true,
    type,
    major,
    minor,
    access,
  })
  const cases: [Rules, UnitHost, string[]][] = [
    [
      [NOTHING, rule('c', 1, 3), rule('c', 136), rule('b', undefined, undefined, 'm')],
      V1,
      [
        clear,
        'DevicePolicy s strict',
        'DeviceAllow a(ss) [["/dev/char/1:3","rwm"],["char-136","rwm"],["block-*","m"]]',
      ],
    ],
    [[{ ...NOTHING, allow: true }], V1, [clear, 'DevicePolicy s auto']],
    [[{ ...NOTHING, allow: true }], V2, [clear, 'DevicePolicy s auto']],
    [[NOTHING], V2, [clear, 'DevicePolicy s strict']],
    // No words for a minor number of any major: v2 leaves it to the program beside, v1 leaves it out.
    [[NOTHING, rule('c', undefined, 5), rule('c', 1, 3)], V2, [clear, 'DevicePolicy s auto']],
    [
      [NOTHING, rule('c', undefined, 5), rule('c', 1, 3)],
      V1,
      [clear, 'DevicePolicy s strict', 'DeviceAllow a(ss) [["/dev/char/1:3","rwm"]]'],
    ],
    // Nor for denials.
    [
      [
        { ...NOTHING, allow: true },
        { ...rule('c', 1, 3), allow: false },
      ],
      V2,
      [clear, 'DevicePolicy s auto'],
    ],
    [
      [
        { ...NOTHING, allow: true },
        { ...rule('c', 1, 3), allow: false },
      ],
      V1,
      [clear, 'DevicePolicy s strict'],
    ],
    // Nor, before 240, for a whole major.
    [[NOTHING, rule('c', 136)], { ...V1, systemdVersion: 239 }, [clear, 'DevicePolicy s strict']],
  ]
  for (const [devices, host, expected] of cases) assert.deepEqual(planned({ devices }, host), expected)
})

test('values that cannot be said are refused by name', () => {
  const cases: [CgroupLimits, RegExp][] = [
    [{ cpusetCpus: '3-1' }, /^linux\.resources\.cpu\.cpus: "3-1" conversion error: invalid range: 3-1$/],
    [{ cpusetMems: ',' }, /^linux\.resources\.cpu\.mems: "," conversion error: empty value$/],
    [{ cpusetCpus: '0-99999999' }, /invalid range/],
    [{ unified: { 'memory.max': 'lots' } }, /^unified resource "memory\.max" value conversion error: "lots"$/],
    [{ unified: { 'cpu.max': '1 2 3' } }, /^unified resource "cpu\.max" value conversion error/],
    [{ unified: { 'a/b.c': '1' } }, /^unified resource "a\/b\.c" must be a file name \(no slashes\)$/],
    [{ unified: { memory: '1' } }, /^unified resource "memory" must be in the form CONTROLLER\.PARAMETER$/],
    [{ memoryBytesMax: 9, memorySwapBytesMax: 5 }, /^memory\+swap limit should be >= memory limit$/],
  ]
  for (const [limits, message] of cases)
    assert.throws(() => planned(limits, V2), { code: 'invalid-argument', message }, JSON.stringify(limits))
  assert.deepEqual([...bitsOfList(' 0 , 8-9 ', 'x')], [1, 3])
})

test('annotations are properties in the text format of GVariant', () => {
  const cases: [string, string, string][] = [
    ['TimeoutStopUSec', 'uint64 123456789', 'TimeoutStopUSec t 123456789'],
    ['TimeoutStopSec', '5', 'TimeoutStopUSec t 5000000'],
    ['TimeoutStopSec', 'uint64 5', 'TimeoutStopUSec t 5000000'],
    ['TimeoutStopSec', '2.5', 'TimeoutStopUSec t 2500000'],
    ['CollectMode', "'inactive-or-failed'", 'CollectMode s inactive-or-failed'],
    ['Description', '"it\\"s"', 'Description s it"s'],
    ['After', "['a.service', 'b.service']", 'After as ["a.service","b.service"]'],
    ['After', '@as []', 'After as []'],
    ['SendSIGHUP', 'true', 'SendSIGHUP b true'],
    ['Nice', '-5', 'Nice i -5'],
    ['Number', 'int16 -32768', 'Number n -32768'],
    ['Number', '0x10', 'Number i 16'],
    ['Number', '1e3', 'Number d 1000'],
    ['BlaSEC', '5', 'BlaSEC i 5'],
  ]
  for (const [name, value, expected] of cases)
    assert.deepEqual(annotationProperties({ [`org.systemd.property.${name}`]: value, other: 'x' }).map(text), [
      expected,
    ])
})

test('annotations that are wrong are refused by name', () => {
  const prefix = 'org.systemd.property.'
  const cases: [string, string, string][] = [
    ['ab', '1', `annotation ${prefix}ab name incorrect: too short`],
    ['Bad-Name', '1', `annotation ${prefix}Bad-Name name incorrect: contains non-alphabetic character`],
    ['TimeoutSec', "'x'", `annotation ${prefix}TimeoutSec='x' value parse error: not a number`],
    ['Name', '', `annotation ${prefix}Name= value parse error: no value`],
    ['Name', '1 2', `annotation ${prefix}Name=1 2 value parse error: unexpected "2"`],
    ['Name', 'byte 256', `annotation ${prefix}Name=byte 256 value parse error: 256 is no y`],
    ['Name', "['a', 1]", `annotation ${prefix}Name=['a', 1] value parse error: 1 is no s`],
    ['Name', '[]', `annotation ${prefix}Name=[] value parse error: an empty list needs a type`],
    ['Name', "['a'", `annotation ${prefix}Name=['a' value parse error: no end of the list`],
    ['Name', 'nonsense', `annotation ${prefix}Name=nonsense value parse error: unknown word nonsense`],
  ]
  for (const [name, value, message] of cases)
    assert.throws(() => annotationProperties({ [prefix + name]: value }), { code: 'invalid-argument', message }, value)
})
