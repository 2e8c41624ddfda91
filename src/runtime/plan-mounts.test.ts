import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_SHARED } from '../linux/constants.ts'
import type { MountSpec } from '../oci/runtime-spec.ts'
import { planMounts, planSharedSources } from './plan-mounts.ts'
import type { HostFacts, RootfsFacts } from './plan-types.ts'
import { StepList } from './step-list.ts'

function plan(mounts: MountSpec[], facts: { host?: Partial<HostFacts>; rootfs?: Partial<RootfsFacts> } = {}): StepList {
  const list = new StepList()
  const shared = planSharedSources(list, mounts)
  planMounts(
    list,
    {
      id: 'x',
      spec: { ociVersion: '1.0.2', mounts },
      host: { arch: 'x86_64', cgroupVersion: 1, capabilities: 0n, lastCapability: 40, ...facts.host },
      rootfs: { passwd: undefined, group: undefined, ...facts.rootfs },
      rootfsDirectory: '/r',
      cgroup: {
        steps: [],
        directory: undefined,
        hierarchies: [{ name: 'cpu,cpuacct', directory: '/cg/cpu,cpuacct/x' }],
      },
      stdin: false,
    },
    shared,
  )
  return list
}

const bind = (options: string[], source = '/src'): MountSpec => ({ destination: '/dst', type: 'bind', source, options })

test('a bind mount is cloned, changed and moved onto a descriptor of its target', () => {
  const { steps } = plan([bind(['rbind', 'ro', 'rprivate'])])
  assert.deepEqual(steps, [
    { op: 'open-tree', slot: 2, path: '/src', recursive: true },
    { op: 'mount-setattr', slot: 2, set: 0n, clear: 0n, propagation: BigInt(MS_PRIVATE), recursive: true },
    { op: 'mount-setattr', slot: 2, set: BigInt(MOUNT_ATTR_RDONLY), clear: 0n, propagation: 0n, recursive: false },
    { op: 'make-path', slot: 1, root: 0, path: '/dst', kind: 'directory', mode: 0o755 },
    { op: 'move-mount', from: 2, to: 1 },
  ])
})

test('a recursive read-only bind is read-only all the way down, in one call', () => {
  const { steps } = plan([bind(['rbind', 'rro', 'rprivate', 'nosuid'])])
  assert.deepEqual(
    steps.filter(({ op }) => op === 'mount-setattr'),
    [
      { op: 'mount-setattr', slot: 2, set: 1n, clear: 0n, propagation: BigInt(MS_PRIVATE), recursive: true },
      { op: 'mount-setattr', slot: 2, set: BigInt(MOUNT_ATTR_NOSUID), clear: 0n, propagation: 0n, recursive: false },
    ],
  )
})

test('what is seen through another process is cloned in the mount namespace of that', () => {
  const { steps } = plan([bind(['rbind'], '/proc/12/root/dev/shm')])
  assert.deepEqual(steps[0], {
    op: 'open-tree-of',
    slot: 2,
    namespace: '/proc/12/ns/mnt',
    path: '/dev/shm',
    recursive: true,
  })
})

test('a shared source is cloned before anything else, and stays shared', () => {
  const { steps } = plan([{ destination: '/proc', type: 'proc', source: 'proc' }, bind(['rbind', 'rshared'])])
  assert.deepEqual(steps[0], { op: 'open-tree', slot: 32, path: '/src', recursive: true })
  assert.ok(
    steps.some((step) => step.op === 'mount-setattr' && step.slot === 32 && step.propagation === BigInt(MS_SHARED)),
  )
})

test('a missing target is made of the kind of its source', () => {
  const kindOf = (sources?: Map<string, 'directory' | 'file'>) => {
    const step = plan([bind(['bind'])], { rootfs: sources ? { sources } : {} }).steps.find(
      ({ op }) => op === 'make-path',
    )
    return step?.op === 'make-path' ? step.kind : undefined
  }
  assert.equal(kindOf(new Map([['/src', 'file']])), 'file')
  assert.equal(kindOf(), 'directory')
})

test('a tmpfs takes the mode of the directory that it covers, unless it is told one', () => {
  const optionsOf = (options: string[]) => {
    const facts = { rootfs: { modes: new Map([['/tmp', 0o1777]]) } }
    const step = plan([{ destination: '/tmp/', type: 'tmpfs', source: 'tmpfs', options }], facts).steps.find(
      ({ op }) => op === 'fs-mount',
    )
    return step?.op === 'fs-mount' ? step.options : undefined
  }
  assert.deepEqual(optionsOf(['size=1m']), [
    ['size', '1m'],
    ['mode', '1777'],
  ])
  assert.deepEqual(optionsOf(['mode=700']), [['mode', '700']])
})

test('proc and sysfs go onto real directories only', () => {
  for (const type of ['proc', 'sysfs']) {
    const { steps } = plan(
      [{ destination: `/${type}`, type, source: type }].map((mount) => ({
        ...mount,
        destination: type === 'proc' ? '/proc' : '/sys',
      })),
    )
    const open = steps.find(({ op }) => op === 'open-in-root')
    assert.ok(open?.op === 'open-in-root')
    assert.equal(open.flags & 0x20000, 0x20000) // O_NOFOLLOW
    assert.equal(open.flags & 0x10000, 0x10000) // O_DIRECTORY
  }
})

test('the cgroup mount of v1 binds the own groups only, and is sealed at the end', () => {
  const options = ['ro', 'nosuid', 'noexec', 'nodev']
  const { steps } = plan([{ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options }])
  assert.deepEqual(
    steps.filter(({ op }) => op === 'open-tree'),
    [{ op: 'open-tree', slot: 2, path: '/cg/cpu,cpuacct/x', recursive: false }],
  )
  assert.deepEqual(
    steps.flatMap((step) => (step.op === 'symlink' ? [step.name, step.target] : [])),
    ['cpu', 'cpu,cpuacct', 'cpuacct', 'cpu,cpuacct'],
  )
  assert.deepEqual(steps.at(-1), {
    op: 'mount-setattr',
    slot: 9,
    set: 0xfn,
    clear: 0n,
    propagation: 0n,
    recursive: true,
  })
})

test('the cgroup mount of v2 is cgroup2 itself', () => {
  const mount = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] }
  const { steps } = plan([mount], { host: { cgroupVersion: 2 } })
  assert.deepEqual(
    steps.flatMap((step) => (step.op === 'fs-mount' ? [step.fstype, step.attributes] : [])),
    ['cgroup2', MOUNT_ATTR_RDONLY],
  )
})

test('mounts that would forge /proc, cover the root or have no source are refused', () => {
  const refused: [MountSpec, RegExp][] = [
    [{ ...bind([]), destination: '/proc/self/attr' }, /inside \/proc/],
    [{ ...bind([]), destination: '/x/../proc/sys' }, /inside \/proc/],
    [{ ...bind([]), destination: '/proc' }, /not of type proc/],
    [{ destination: '/proc', type: 'tmpfs', source: 'tmpfs' }, /not of type proc/],
    [{ ...bind([]), destination: '/..' }, /is the root/],
    [bind([], 'relative'), /not absolute/],
    [{ destination: '/x', source: 'none' }, /has no type/],
    [{ destination: '/x', type: 'tmpfs', options: [`context=${'a'.repeat(300)}`] }, /too long/],
  ]
  for (const [mount, message] of refused) assert.throws(() => plan([mount]), { code: 'invalid-argument', message })
  assert.doesNotThrow(() => plan([{ ...bind(['bind']), destination: '/proc/cpuinfo' }]))
})
