// CDI files and what becomes of a runtime spec by them.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { handleDeviceRequests } from './handle-requests.ts'
import { parseCdiSpec } from './parse-spec.ts'
import { loadRegistry } from './registry.ts'

const root = mkdtempSync(join(tmpdir(), 'berth-cdi-'))
after(() => rmSync(root, { recursive: true, force: true }))

const directories = ['low', 'high'].map((name) => join(root, name))
const file = (name: string, text: string) => {
  mkdirSync(join(root, name, '..'), { recursive: true })
  writeFileSync(join(root, name), text)
}
const spec = (kind: string, devices: object[], more: object = {}) =>
  JSON.stringify({ cdiVersion: '0.6.0', kind, devices, ...more })
const device = (name: string, containerEdits: object) => ({ name, containerEdits })
const BARE: RuntimeSpec = {
  ociVersion: '1.2.1',
  process: { cwd: '/', env: ['A=1', 'B=2'], user: { uid: 5, gid: 6, additionalGids: [6] } },
  mounts: [{ destination: '/proc' }, { destination: '/a/b/c' }],
  linux: { resources: { devices: [{ allow: false, access: 'rwm' }] } },
}
const request = (...DeviceIDs: string[]) => [{ Driver: 'cdi', DeviceIDs }]

test('every edit of a file and of its device reaches the spec', () => {
  file(
    'low/vendor.yaml',
    `cdiVersion: "0.7.0"
kind: vendor.com/net
containerEdits:
  env: [B=3, C=4]
  hooks:
    - {hookName: createRuntime, path: /bin/hook, args: [hook, x], env: [H=1], timeout: 3}
devices:
  - name: one
    annotations: {note: "x"}
    containerEdits:
      deviceNodes:
        - {path: /dev/own, hostPath: /dev/null, permissions: rw, fileMode: 0600}
        - {path: /dev/given, type: b, major: 7, minor: 9, uid: 0, gid: 0}
      mounts:
        - {hostPath: /lib/x, containerPath: /a, options: [ro, rbind], type: bind}
      additionalGids: [0, 44]
      intelRdt: {closID: gold, enableMBM: true}
  - name: two
    containerEdits: {env: [D=5]}
`,
  )
  const edited = handleDeviceRequests(BARE, request('vendor.com/net=one', 'vendor.com/net=two'), directories)
  assert.deepEqual(edited.process?.env, ['A=1', 'B=3', 'C=4', 'D=5'])
  assert.deepEqual(edited.process?.user?.additionalGids, [6, 44])
  assert.deepEqual(edited.hooks, {
    createRuntime: [{ path: '/bin/hook', args: ['hook', 'x'], env: ['H=1'], timeout: 3 }],
  })
  assert.deepEqual(edited.mounts, [
    { destination: '/proc' },
    { destination: '/a', source: '/lib/x', options: ['ro', 'rbind'], type: 'bind' },
    { destination: '/a/b/c' },
  ])
  assert.deepEqual(edited.linux?.devices, [
    { path: '/dev/own', fileMode: 0o600, type: 'c', major: 1, minor: 3, uid: 5, gid: 6 },
    { path: '/dev/given', type: 'b', major: 7, minor: 9, uid: 0, gid: 0 },
  ])
  assert.deepEqual(edited.linux?.resources?.devices?.slice(1), [
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rw' },
    { allow: true, type: 'b', major: 7, minor: 9, access: 'rwm' },
  ])
  assert.deepEqual(edited.linux?.intelRdt, { closID: 'gold', enableMonitoring: true })
  assert.equal(BARE.linux?.devices, undefined, 'the spec that was given stays as it is')
})

test('a later directory hides an earlier one; two files of one directory take a device from each other', () => {
  const edits = (value: string) => ({ env: [`FROM=${value}`] })
  file('low/a.json', spec('x.org/y', [device('hidden', edits('low')), device('twice', edits('a'))]))
  file('low/b.json', spec('x.org/y', [device('twice', edits('b'))]))
  file('high/a.json', spec('x.org/y', [device('hidden', edits('high'))]))
  file('high/readme.txt', 'not a spec')
  const edited = handleDeviceRequests(BARE, request('x.org/y=hidden'), directories)
  assert.ok(edited.process?.env?.includes('FROM=high'))
  assert.throws(() => handleDeviceRequests(BARE, request('x.org/y=twice', 'x.org/y=nope'), directories), {
    code: 'unknown',
    message: 'CDI device injection failed: unresolvable CDI devices x.org/y=twice, x.org/y=nope',
  })
  const { errors } = loadRegistry(directories)
  assert.equal(errors.filter(({ message }) => message.startsWith('conflicting device "x.org/y=twice"')).length, 2)
})

test('what no driver can give is refused in the words of Docker', () => {
  const refuse = (given: object, message: string) =>
    assert.throws(() => handleDeviceRequests(BARE, [given], directories), { message })
  refuse(
    { Driver: '', Capabilities: [['gpu', 'x'], ['y']] },
    'could not select device driver "" with capabilities: [[gpu x] [y]]',
  )
  refuse({ Driver: 'cdi', Count: 1 }, 'unexpected count in CDI device request')
  refuse({ Driver: 'cdi', Options: { a: 'b' } }, 'unexpected options in CDI device request')
  assert.throws(() => handleDeviceRequests(BARE, request('a.b/c=d'), []), {
    message: 'could not select device driver "cdi" with capabilities: []',
  })
  file('low/gone.json', spec('gone.org/x', [device('node', { deviceNodes: [{ path: '/dev/not-there' }] })]))
  assert.throws(() => handleDeviceRequests(BARE, request('gone.org/x=node'), directories), {
    message:
      'CDI device injection failed: failed to inject devices: failed to stat CDI host device "/dev/not-there": no such file or directory',
  })
})

test('a broken file says what is wrong with it', () => {
  const good = device('d', { env: ['A=1'] })
  const cases: [string, RegExp][] = [
    ['{', /^failed to unmarshal CDI Spec/],
    ['[]', /no object/],
    [spec('x.org/y', [good], { cdiVersion: '9.9.9' }), /^invalid version "9.9.9"/],
    [spec('xy', [good]), /invalid kind "xy"/],
    [spec('1x/y', [good]), /invalid kind/],
    [spec('x.org/y', []), /no devices/],
    [spec('x.org/y', [good, good]), /multiple device "d"/],
    [spec('x.org/y', [device('-d', { env: ['A=1'] })]), /invalid device name "-d"/],
    [spec('x.org/y', [device('d', {})]), /empty device edits/],
    [spec('x.org/y', [device('d', { env: ['A'] })]), /invalid environment variable "A"/],
    [spec('x.org/y', [device('d', { env: 'A=1' })]), /env is no list/],
    [spec('x.org/y', [device('d', { deviceNodes: [{ path: '' }] })]), /empty\) device path/],
    [spec('x.org/y', [device('d', { deviceNodes: [{ path: '/x', type: 'z' }] })]), /invalid type "z"/],
    [spec('x.org/y', [device('d', { deviceNodes: [{ path: '/x', permissions: 'rx' }] })]), /invalid permissions "rx"/],
    [spec('x.org/y', [device('d', { deviceNodes: [{ path: '/x', major: -1 }] })]), /major is no number/],
    [spec('x.org/y', [device('d', { hooks: [{ hookName: 'x', path: '/x' }] })]), /invalid hook name "x"/],
    [spec('x.org/y', [device('d', { mounts: [{ containerPath: '/x' }] })]), /empty host path/],
    [spec('x.org/y', [device('d', { intelRdt: { closID: '../x' } })]), /invalid ClosID/],
    [spec('x.org/y', [device('d', { env: ['A=1'], bogus: 1 })]), /unknown field "bogus"/],
    [`a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [${'*b,'.repeat(200)}*b]`, /^failed to unmarshal CDI Spec/],
  ]
  for (const [text, message] of cases) assert.throws(() => parseCdiSpec(text), { message }, text.slice(0, 100))
})
