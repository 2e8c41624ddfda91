// What different bundles compile to, as people read it. UPDATE_GOLDEN=1 writes the files anew: read the difference before you commit it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RuntimeSpec } from '../src/oci/runtime-spec.ts'
import { formatPlan } from '../src/runtime/format-plan.ts'
import { checkRuntimeSpec } from '../src/runtime/parse-runtime-spec.ts'
import { planContainer } from '../src/runtime/plan-container.ts'
import { planExec } from '../src/runtime/plan-exec.ts'
import type { HostFacts, Launch } from '../src/runtime/plan-types.ts'
import { ROOT } from './harness/root.ts'

const HOST: HostFacts = { arch: 'x86_64', cgroupVersion: 1, capabilities: (1n << 41n) - 1n, lastCapability: 40 }
const PASSWD = 'root:x:0:0:root:/root:/bin/sh\n'

/** `runc spec`'s own, word for word (test/golden/runtime/runc-spec.json). */
function runcSpec(): RuntimeSpec {
  return checkRuntimeSpec(JSON.parse(readFileSync(join(ROOT, 'test/golden/runtime/runc-spec.json'), 'utf8')))
}

function withNamespaces(
  spec: RuntimeSpec,
  namespaces: NonNullable<RuntimeSpec['linux']>['namespaces'] & {},
): RuntimeSpec {
  return { ...spec, linux: { ...spec.linux, namespaces } }
}

const MAPPINGS = [{ containerID: 0, hostID: 100_000, size: 65_536 }]

const WAIT: Launch['wait'] = { fifo: '/run/berth-runc/golden/exec.fifo', status: '/run/berth-runc/golden/status.fifo' }

function planOf(spec: RuntimeSpec, launch: Partial<Launch> = {}): string {
  return formatPlan(
    planContainer({
      id: 'golden',
      spec,
      host: HOST,
      rootfs: { passwd: PASSWD, group: undefined },
      rootfsDirectory: '/bundle/rootfs',
      cgroup: {
        steps: [{ op: 'write-file', path: '/sys/fs/cgroup/memory/golden/cgroup.procs', data: '0' }],
        directory: undefined,
        hierarchies: [{ name: 'memory', directory: '/sys/fs/cgroup/memory/golden' }],
      },
      stdin: true,
      launch: {
        wait: WAIT,
        preservedDescriptors: 0,
        rootfsSource: '/bundle/rootfs',
        rootless: false,
        noPivot: false,
        noNewKeyring: false,
        ...launch,
      },
    }),
  )
}

function execOf(spec: RuntimeSpec): string {
  return formatPlan(
    planExec({
      id: 'golden',
      spec,
      process: { cwd: '/tmp', args: ['id'], env: ['PATH=/bin'], user: { uid: 1000, gid: 1000 }, terminal: true },
      host: HOST,
      rootfs: { passwd: PASSWD, group: undefined },
      cgroup: {
        steps: [{ op: 'write-file', path: '/sys/fs/cgroup/memory/golden/cgroup.procs', data: '0' }],
        directory: undefined,
      },
      stdin: true,
      launch: {
        wait: 'channel',
        consoleSocket: '/run/console.sock',
        preservedDescriptors: 2,
        rootless: false,
        noNewKeyring: false,
      },
    }),
  )
}

const PLANS: Record<string, () => string> = {
  plain: () => planOf(runcSpec(), { consoleSocket: '/run/console.sock' }),

  'user-namespace': () => {
    const spec = runcSpec()
    spec.mounts!.push({ destination: '/data', source: '/srv/data', options: ['rbind', 'ridmap', 'ro'] })
    const { linux } = withNamespaces(spec, [...spec.linux!.namespaces!, { type: 'user' }, { type: 'time' }])
    const timeOffsets = { monotonic: { secs: -5 }, boottime: { secs: 7, nanosecs: 1 } }
    return planOf({ ...spec, linux: { ...linux, uidMappings: MAPPINGS, gidMappings: MAPPINGS, timeOffsets } })
  },

  'all-joined': () => {
    const kinds = ['user', 'mount', 'network', 'pid', 'ipc', 'uts', 'cgroup', 'time'] as const
    const spec = runcSpec()
    spec.mounts!.push({ destination: '/data', source: '/srv/data', options: ['bind'] })
    return planOf(
      withNamespaces(
        { ...spec, root: { path: 'rootfs' } },
        kinds.map((type) => ({ type, path: `/run/ns/${type}` })),
      ),
    )
  },

  hooks: () => {
    const spec = runcSpec()
    const hook = (name: string) => [{ path: `/hooks/${name}`, args: [name, '--now'], env: ['A=b'], timeout: 5 }]
    return planOf({
      ...spec,
      process: { ...spec.process!, terminal: false },
      hooks: {
        prestart: hook('prestart'),
        createRuntime: hook('createRuntime'),
        createContainer: hook('createContainer'),
        startContainer: [...hook('startContainer'), { path: '/hooks/bare' }],
        poststart: hook('poststart'),
      },
    })
  },

  rootless: () => {
    const spec = runcSpec()
    const namespaces = (['pid', 'ipc', 'uts', 'mount', 'user'] as const).map((type) => ({ type }))
    const mappings = [{ containerID: 0, hostID: 1000, size: 1 }]
    const mounts = spec.mounts!.map((mount) => ({
      ...mount,
      options: mount.options?.filter((o) => o !== 'gid=5') ?? [],
    }))
    const { linux } = withNamespaces(spec, namespaces)
    return planOf(
      { ...spec, mounts, linux: { ...linux, uidMappings: mappings, gidMappings: mappings } },
      { rootless: true },
    )
  },

  everything: () => {
    const spec = runcSpec()
    return planOf({
      ...spec,
      process: {
        ...spec.process!,
        terminal: false,
        cwd: '/work/here',
        user: { uid: 1000, gid: 1000, additionalGids: [5, 6], umask: 0o27 },
        capabilities: { bounding: ['CAP_KILL', 'CAP_OF_THE_FUTURE'] },
        oomScoreAdj: 100,
        scheduler: { policy: 'SCHED_FIFO', priority: 10, flags: ['SCHED_FLAG_RESET_ON_FORK'] },
        ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 4 },
      },
      domainname: 'example.org',
      mounts: [
        ...spec.mounts!,
        { destination: '/cache', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup', 'ro', 'size=1m'] },
        { destination: '/etc', source: '/srv/etc', options: ['rbind', 'rro', 'rslave', 'nosuid'] },
        { destination: 'relative', source: '/srv/x', options: ['bind'] },
        { destination: '/cache', type: 'tmpfs', options: ['remount', 'nodev'] },
      ],
      linux: {
        ...spec.linux,
        rootfsPropagation: 'rshared',
        devices: [
          { type: 'c', path: '/dev/fuse', major: 10, minor: 229 },
          { type: 'p', path: '/run/pipes/one', fileMode: 0o600 },
        ],
        sysctl: { 'net.ipv4.ip_forward': '1' },
        memoryPolicy: { mode: 'MPOL_INTERLEAVE', nodes: '0-3,9', flags: ['MPOL_F_STATIC_NODES'] },
        personality: { domain: 'LINUX32' },
        seccomp: {
          defaultAction: 'SCMP_ACT_ALLOW',
          listenerPath: '/run/agent.sock',
          flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'],
          syscalls: [{ names: ['mknod'], action: 'SCMP_ACT_NOTIFY' }],
        },
      },
    })
  },

  'no-mount-namespace': () => {
    const { linux, ...spec } = runcSpec()
    const { maskedPaths, readonlyPaths, ...rest } = linux!
    assert.ok(maskedPaths && readonlyPaths)
    return planOf(withNamespaces({ ...spec, linux: rest, root: { path: 'rootfs' }, mounts: [] }, [{ type: 'uts' }]))
  },

  exec: () => execOf(runcSpec()),
}

for (const [name, plan] of Object.entries(PLANS))
  test(`the plan of ${name}`, () => {
    const file = join(ROOT, `test/golden/runtime/plans/${name}.txt`)
    const text = plan()
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
    assert.equal(text, readFileSync(file, 'utf8'))
  })
