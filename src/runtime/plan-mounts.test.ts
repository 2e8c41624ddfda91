import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_SHARED } from '../linux/constants.ts'
import type { MountSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { checkMounts } from './check-mounts.ts'
import { planEarlySources } from './plan-bind-mounts.ts'
import { finishMounts, planMounts } from './plan-mounts.ts'
import type { HostFacts, RootfsFacts } from './plan-types.ts'
import { StepList } from './step-list.ts'

interface Given {
  spec?: Partial<RuntimeSpec>
  host?: Partial<HostFacts>
  rootfs?: Partial<RootfsFacts>
}

function plan(mounts: MountSpec[], { spec, host, rootfs }: Given = {}): StepList {
  const list = new StepList()
  const linux = { namespaces: [{ type: 'mount' as const }] }
  const input = {
    id: 'x',
    spec: { ociVersion: '1.0.2', linux, mounts, ...spec },
    host: { arch: 'x86_64' as const, cgroupVersion: 1 as const, capabilities: 0n, lastCapability: 40, ...host },
    rootfs: { passwd: undefined, group: undefined, ...rootfs },
    rootfsDirectory: '/r',
    cgroup: {
      steps: [],
      directory: undefined,
      hierarchies: [{ name: 'cpu,cpuacct', directory: '/cg/cpu,cpuacct/x' }],
    },
    stdin: false,
  }
  checkMounts(input)
  const early = planEarlySources(list, input)
  finishMounts(list, planMounts(list, input, early))
  return list
}

const bind = (options: string[], source = '/src'): MountSpec => ({ destination: '/dst', type: 'bind', source, options })

test('a bind mount is cloned, changed and moved onto a descriptor of its target', () => {
  const { steps } = plan([bind(['rbind', 'ro', 'rprivate'])])
  assert.deepEqual(steps, [
    { op: 'open-tree', slot: 2, path: '/src', recursive: true },
    // What is not asked for is taken away: mount(8)'s rule as soon as anything is asked for.
    {
      op: 'mount-setattr',
      slot: 2,
      set: BigInt(MOUNT_ATTR_RDONLY),
      clear: 0x20000en,
      propagation: 0n,
      recursive: false,
    },
    { op: 'mount-setattr', slot: 2, set: 0n, clear: 0n, propagation: BigInt(MS_PRIVATE), recursive: true },
    { op: 'make-path', slot: 1, root: 0, path: '/dst', kind: 'directory', mode: 0o755 },
    { op: 'move-mount', from: 2, to: 1 },
  ])
})

test('a recursive read-only bind is read-only all the way down, in one call', () => {
  const { steps } = plan([bind(['rbind', 'rro', 'rprivate', 'nosuid'])])
  assert.deepEqual(
    steps.filter(({ op }) => op === 'mount-setattr'),
    [
      {
        op: 'mount-setattr',
        slot: 2,
        set: BigInt(MOUNT_ATTR_NOSUID),
        clear: 0x20000dn,
        propagation: 0n,
        recursive: false,
      },
      { op: 'mount-setattr', slot: 2, set: 1n, clear: 0n, propagation: 0n, recursive: true },
      { op: 'mount-setattr', slot: 2, set: 0n, clear: 0n, propagation: BigInt(MS_PRIVATE), recursive: true },
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
  const spec = { linux: { namespaces: [{ type: 'mount' as const }], rootfsPropagation: 'rshared' } }
  const { steps } = plan([{ destination: '/proc', type: 'proc', source: 'proc' }, bind(['rbind', 'rshared'])], { spec })
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
    [{ ...bind([]), destination: '/..' }, /on the top of rootfs/],
    [bind([], 'relative'), /not absolute/],
    [{ destination: '/x', source: 'none' }, /mounts\[0\]\.type/],
    [{ destination: '/x', type: 'tmpfs', options: [`context=${'a'.repeat(300)}`] }, /longer than 255/],
  ]
  for (const [mount, message] of refused) assert.throws(() => plan([mount]), { code: 'invalid-argument', message })
  assert.doesNotThrow(() => plan([{ ...bind(['bind']), destination: '/proc/cpuinfo' }]))
})

test('a read-only tmpfs, and /dev, become so when everything is in them', () => {
  const { steps } = plan([
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['ro', 'nosuid'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts' },
  ])
  const [made] = steps.flatMap((step) => (step.op === 'fs-mount' ? [step] : []))
  assert.equal(made?.attributes, MOUNT_ATTR_NOSUID)
  const last = steps.at(-1)
  assert.deepEqual([last?.op === 'mount-setattr' && last.slot, made?.slot], [32, 32])
})

test('tmpcopyup fills the tmpfs before it covers the directory', () => {
  const mount = { destination: '/etc', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup'] }
  assert.deepEqual(
    plan([mount]).steps.map(({ op }) => op),
    ['make-path', 'fs-mount', 'copy-tree', 'move-mount'],
  )
  const empty = plan([mount], { rootfs: { copiedUp: new Set<string>() } }).steps
  assert.ok(!empty.some(({ op }) => op === 'copy-tree'))
})

test('an id-mapped mount gets a user namespace of its own, or the map of the container', () => {
  const uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }]
  const mapped = { ...bind(['rbind', 'ridmap']), uidMappings, gidMappings: uidMappings }
  const { steps } = plan([mapped])
  assert.deepEqual(steps.slice(1, 3), [
    { op: 'make-user-namespace', slot: 14, uidMap: '0 100000 65536\n', gidMap: '0 100000 65536\n' },
    { op: 'mount-setattr', slot: 2, set: 0x100000n, clear: 0n, propagation: 0n, recursive: true, userns: 14 },
  ])
  const linux = { namespaces: [{ type: 'mount' as const }, { type: 'user' as const, path: '/ns' }] }
  const joined = plan([bind(['bind', 'idmap'])], { spec: { linux } }).steps
  assert.deepEqual(joined[2], { op: 'open-host', slot: 14, path: '/ns', flags: 0 })
})

test('a remount says everything anew, the file system and the mount', () => {
  const { steps } = plan([{ destination: '/proc', type: 'proc', options: ['remount', 'ro', 'hidepid=2'] }])
  assert.deepEqual(
    steps.map(({ op }) => op),
    ['open-in-root', 'reconfigure', 'mount-setattr'],
  )
  const [, step] = steps
  assert.deepEqual(step?.op === 'reconfigure' && step.options, [
    ['ro', undefined],
    ['async', undefined],
    ['nolazytime', undefined],
    ['hidepid', '2'],
  ])
  const bound = plan([{ destination: '/x', options: ['remount', 'bind', 'ro'] }]).steps
  assert.deepEqual(
    bound.map(({ op }) => op),
    ['open-in-root', 'mount-setattr'],
  )
})

test('in a user namespace restrictions of the source stay, unless taken back by name', () => {
  const linux = { namespaces: [{ type: 'mount' as const }, { type: 'user' as const }] }
  const clearOf = (options: string[]) =>
    plan([bind(options)], { spec: { linux } }).steps.flatMap((step) =>
      step.op === 'mount-setattr' && step.propagation === 0n ? [step.clear] : [],
    )
  assert.deepEqual(clearOf(['bind', 'ro']), [0x200000n])
  assert.deepEqual(clearOf(['bind', 'rw']), [0x200001n])
  assert.deepEqual(clearOf(['bind']), [])
})

test("a sysfs that the kernel may refuse has the host's, read-only, in its place", () => {
  const linux = { namespaces: [{ type: 'mount' as const }, { type: 'user' as const }] }
  const sysfs = { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro', 'nosuid'] }
  const { steps } = plan([sysfs], { spec: { linux } })
  const at = steps.findIndex(({ op }) => op === 'open-tree')
  assert.deepEqual(steps[at + 1]?.skipOn, { errnos: [1], skip: 0 })
  const attributes = steps[at + 2]
  assert.ok(attributes?.op === 'mount-setattr' && attributes.recursive && attributes.set === 3n)
  assert.ok(!plan([sysfs]).steps.some(({ op }) => op === 'open-tree'))
})

test('a relative destination counts from the root, and is warned of', () => {
  const list = plan([{ ...bind(['bind']), destination: 'data/./x/' }])
  assert.ok(list.steps.some((step) => step.op === 'make-path' && step.path === '/data/x'))
  assert.deepEqual(list.warnings, ['mount destination data/./x/ is not absolute: it is taken for /data/x'])
})

test("a destination that begins with the root file system's own path is what lies below it", () => {
  const { steps } = plan([{ ...bind(['bind']), destination: '/r/data' }])
  assert.ok(steps.some((step) => step.op === 'make-path' && step.path === '/data'))
})

test('file systems with a superblock of their own are told that they are read-only', () => {
  const optionsOf = (type: string) =>
    plan([{ destination: '/x', type, source: 'x', options: ['ro', 'sync'] }]).steps.flatMap((step) =>
      step.op === 'fs-mount' ? step.options.map(([key]) => key) : [],
    )
  assert.deepEqual(optionsOf('ext4'), ['ro', 'sync'])
  assert.deepEqual(optionsOf('tmpfs'), ['sync'])
})
