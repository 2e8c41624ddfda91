import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerConfig, HostConfig } from '../../../api/container-types.ts'
import { buildRuntimeSpec } from './build-runtime-spec.ts'
import { CAPABILITIES } from './capabilities.ts'
import { formatRuntimeSpec } from './format-runtime-spec.ts'
import { mergeImageConfig } from './merge-image-config.ts'
import type { HostDevice, SpecInput } from './spec-input.ts'

const NULL: HostDevice = { path: '/dev/null', type: 'c', major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 }

function inputOf(hostConfig: HostConfig, more: Partial<SpecInput> = {}): SpecInput {
  return {
    id: 'a'.repeat(64),
    config: { Cmd: ['sh'] },
    hostConfig,
    user: { uid: 0, gid: 0, additionalGids: [], home: '/root' },
    addedGroups: [],
    rootfsPath: '/rootfs',
    files: {},
    mounts: [],
    network: { kind: 'path', path: '/run/netns/x' },
    host: {
      arch: 'x86_64',
      kernel: { major: 6, minor: 1 },
      cgroupVersion: 2,
      capabilities: CAPABILITIES,
      hostname: 'host',
      hasSeccomp: true,
      maskedSystemPaths: ['/sys/devices/system/cpu/cpu0/thermal_throttle'],
      hasMqueue: true,
      findDevices: (path) => (path === '/dev' ? [NULL] : []),
    },
    defaults: { cgroupParent: '', noNewPrivileges: false, init: false, initPath: undefined, ulimits: {} },
    ...more,
  }
}

test('a privileged container gets all devices and capabilities and nothing hidden', () => {
  const spec = buildRuntimeSpec(inputOf({ Privileged: true, CapDrop: ['KILL'] }))
  assert.deepEqual(spec.process?.capabilities?.bounding, CAPABILITIES)
  assert.deepEqual(
    spec.linux?.devices?.map(({ path }) => path),
    ['/dev/null'],
  )
  assert.deepEqual(spec.linux?.resources?.devices, [{ allow: true, access: 'rwm' }])
  assert.equal(spec.linux?.seccomp, undefined)
  assert.equal(spec.linux?.maskedPaths, undefined)
  assert.equal(spec.linux?.readonlyPaths, undefined)
  for (const destination of ['/sys', '/sys/fs/cgroup'])
    assert.ok(!spec.mounts?.find((mount) => mount.destination === destination)?.options?.includes('ro'))
})

test('a user namespace: its maps, what it can’t do itself, and devices under other names', () => {
  const map = {
    uid: [{ containerID: 0, hostID: 100_000, size: 1000 }],
    gid: [
      { containerID: 0, hostID: 200_000, size: 10 },
      { containerID: 10, hostID: 300_000, size: 20 },
    ],
  }
  const fuse: HostDevice = { path: '/dev/fuse', type: 'c', major: 10, minor: 229, mode: 0o666, uid: 0, gid: 0 }
  const given = inputOf({
    Devices: [
      { PathOnHost: '/dev/null', PathInContainer: '/dev/null', CgroupPermissions: 'r' },
      { PathOnHost: '/dev/fuse', PathInContainer: '/dev/other', CgroupPermissions: 'rw' },
    ],
    Sysctls: { 'net.ipv4.conf.eth0.log_martians': '1', 'net.ipv4.ip_local_port_range': '2000 3000' },
  })
  const host = { ...given.host, findDevices: (path: string) => [NULL, fuse].filter((device) => device.path === path) }
  const input: SpecInput = {
    ...given,
    host,
    config: { ...given.config, Domainname: 'example.org' },
    network: { kind: 'new' },
  }
  const { linux, mounts, domainname } = buildRuntimeSpec({ ...input, users: { kind: 'new', map } })
  assert.deepEqual(linux?.namespaces?.slice(0, 3), [{ type: 'mount' }, { type: 'user' }, { type: 'network' }])
  assert.deepEqual([linux?.uidMappings, linux?.gidMappings], [map.uid, map.gid])
  assert.deepEqual(linux?.sysctl, {
    'net.ipv4.ip_unprivileged_port_start': '0',
    'net.ipv4.ping_group_range': '0 29',
    'net.ipv4.ip_local_port_range': '2000 3000',
  })
  assert.equal(domainname, 'example.org')
  assert.deepEqual(
    linux?.devices?.map(({ path }) => path),
    ['/dev/null'],
  )
  assert.deepEqual(mounts?.at(-1), {
    destination: '/dev/other',
    type: 'bind',
    source: '/dev/fuse',
    options: ['bind', 'rprivate'],
  })
  assert.deepEqual(
    linux?.resources?.devices?.slice(-2).map(({ minor, access }) => [minor, access]),
    [
      [3, 'r'],
      [229, 'rw'],
    ],
  )
  const shared = buildRuntimeSpec({ ...input, users: { kind: 'path', map, path: '/proc/7/ns/user' } })
  assert.deepEqual(shared.linux?.namespaces?.[1], { type: 'user', path: '/proc/7/ns/user' })
  const hosts = buildRuntimeSpec({ ...input, network: { kind: 'path', path: '/run/netns/x' } })
  assert.deepEqual(
    hosts.linux?.devices?.map(({ path }) => path),
    ['/dev/null', '/dev/other'],
  )
  assert.equal(hosts.domainname, undefined)
  assert.equal(hosts.linux?.sysctl?.['net.ipv4.conf.eth0.log_martians'], '1')
})

test('message queues of the host’s are bound into a user namespace, which could not mount them', () => {
  const map = { uid: [{ containerID: 0, hostID: 1000, size: 1 }], gid: [{ containerID: 0, hostID: 1000, size: 1 }] }
  const mqueueOf = (IpcMode: string, more: Partial<SpecInput>) =>
    buildRuntimeSpec(inputOf({ IpcMode }, more)).mounts?.find(({ destination }) => destination === '/dev/mqueue')?.type
  assert.equal(mqueueOf('host', { users: { kind: 'new', map } }), 'bind')
  assert.equal(mqueueOf('private', { users: { kind: 'new', map } }), 'mqueue')
  assert.equal(mqueueOf('host', {}), 'mqueue')
  const host = { ...inputOf({}).host, hasMqueue: false }
  assert.equal(mqueueOf('host', { users: { kind: 'new', map }, host }), undefined)
})

test('an explicit profile holds for a privileged container, too', () => {
  const profile = JSON.stringify({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['acct'], action: 'SCMP_ACT_ERRNO' }],
  })
  const spec = buildRuntimeSpec(inputOf({ Privileged: true, SecurityOpt: [`seccomp=${profile}`] }))
  assert.deepEqual(spec.linux?.seccomp, {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['acct'], action: 'SCMP_ACT_ERRNO' }],
  })
  assert.throws(
    () => buildRuntimeSpec(inputOf({ SecurityOpt: ['seccomp={'] })),
    /^Failure: Decoding seccomp profile failed/,
  )
})

test('joined namespaces are those of the other process', () => {
  const spec = buildRuntimeSpec(
    inputOf(
      { PidMode: 'container:x', IpcMode: 'container:y', NetworkMode: 'container:z' },
      { pidOf: { pid: 7, ipc: 8 }, shmPath: '/proc/8/root/dev/shm' },
    ),
  )
  assert.deepEqual(spec.linux?.namespaces, [
    { type: 'mount' },
    { type: 'network', path: '/run/netns/x' },
    { type: 'uts' },
    { type: 'pid', path: '/proc/7/ns/pid' },
    { type: 'ipc', path: '/proc/8/ns/ipc' },
    { type: 'cgroup' },
  ])
  assert.equal(spec.linux?.sysctl, undefined)
  assert.equal(spec.mounts?.find((mount) => mount.destination === '/dev/shm')?.source, '/proc/8/root/dev/shm')
})

test('a sysctl that would reach the host is refused', () => {
  const cases: [HostConfig, Partial<SpecInput>][] = [
    [{ Sysctls: { 'kernel.core_pattern': '|/x' } }, {}],
    [{ Sysctls: { 'net.core.somaxconn': '1' }, NetworkMode: 'host' }, { network: { kind: 'host' } }],
    [{ Sysctls: { 'kernel.msgmax': '1' }, IpcMode: 'host' }, {}],
    [{ Sysctls: { 'net/../kernel/core_pattern': '|/x' } }, {}],
    [{ Sysctls: { 'net.ipv4/../../kernel/core_pattern': '|/x' } }, {}],
  ]
  for (const [hostConfig, more] of cases)
    assert.throws(
      () => buildRuntimeSpec(inputOf(hostConfig, more)),
      { code: 'invalid-argument' },
      JSON.stringify(hostConfig),
    )
})

test('a cgroup parent cannot climb out', () => {
  assert.equal(buildRuntimeSpec(inputOf({ CgroupParent: '../../x' })).linux?.cgroupsPath, `/x/${'a'.repeat(64)}`)
})

test('a missing docker-init is named', () => {
  assert.throws(
    () => buildRuntimeSpec(inputOf({ Init: true })),
    /exec: "docker-init": executable file not found in \$PATH/,
  )
})

test('unlimited is written as the 64-bit number that it is', () => {
  const spec = buildRuntimeSpec(
    inputOf({ Ulimits: [{ Name: 'core', Soft: -1, Hard: -1 }] }, { config: { Cmd: ['"hard":18446744073709552000,'] } }),
  )
  const text = formatRuntimeSpec(spec)
  assert.ok(text.includes('"hard":18446744073709551615,"soft":18446744073709551615'))
  assert.ok(text.includes(JSON.stringify('"hard":18446744073709552000,')))
})

test('environment: a name alone takes a variable away, later ones win in place', () => {
  const config: ContainerConfig = { Cmd: ['x'], Env: ['HOSTNAME', 'A=1', 'B=2', 'A=3', 'PATH=/p'] }
  assert.deepEqual(buildRuntimeSpec(inputOf({}, { config })).process?.env, ['PATH=/p', 'A=3', 'B=2'])
})

test("an image's configuration fills in what the container leaves open", () => {
  const image = {
    Entrypoint: ['/e'],
    Cmd: ['c'],
    Env: ['A=i', 'B=i'],
    User: 'web',
    WorkingDir: '/w',
    Labels: { a: 'i', b: 'i' },
  }
  const merged = mergeImageConfig({ Env: ['A=c'], Labels: { a: 'c' } }, image)
  assert.deepEqual(
    [merged.Entrypoint, merged.Cmd, merged.Env, merged.User, merged.WorkingDir, merged.Labels],
    [['/e'], ['c'], ['A=c', 'B=i'], 'web', '/w', { a: 'c', b: 'i' }],
  )
  const command = (config: ContainerConfig): unknown => {
    const { Entrypoint, Cmd } = mergeImageConfig(config, image)
    return [Entrypoint, Cmd]
  }
  assert.deepEqual(command({ Cmd: ['x'] }), [['/e'], ['x']])
  assert.deepEqual(command({ Entrypoint: ['/f'] }), [['/f'], null])
  assert.deepEqual(command({ Entrypoint: [''], Cmd: ['x'] }), [null, ['x']])
  assert.throws(() => mergeImageConfig({}, {}), { message: 'no command specified' })
})
