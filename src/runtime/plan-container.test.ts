import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { Step, StepOp } from '../linux/steps.ts'
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import { formatPlan } from './format-plan.ts'
import { parseRuntimeSpec } from './parse-runtime-spec.ts'
import { planContainer } from './plan-container.ts'
import type { DescribedPlan, HostFacts, RootfsFacts } from './plan-types.ts'

const GOLDEN = findGolden(import.meta.dirname)
const DOCKER_SPEC = readFileSync(join(GOLDEN, 'docker-config.json'), 'utf8')

function findGolden(from: string): string {
  const candidate = join(from, 'test/golden/runtime')
  return existsSync(join(candidate, 'docker-config.json')) ? candidate : findGolden(dirname(from))
}

const HOST: HostFacts = { arch: 'x86_64', cgroupVersion: 1, capabilities: (1n << 41n) - 1n, lastCapability: 40 }

interface Given {
  edit?: (spec: RuntimeSpec) => void
  host?: Partial<HostFacts>
  rootfs?: Partial<RootfsFacts>
  directory?: string
}

function plan({ edit, host, rootfs, directory }: Given = {}): DescribedPlan {
  const spec = parseRuntimeSpec(DOCKER_SPEC)
  edit?.(spec)
  return planContainer({
    id: 'c0ffee',
    spec,
    host: { ...HOST, ...host },
    rootfs: {
      passwd: 'root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n',
      group: undefined,
      ...rootfs,
    },
    rootfsDirectory: '/run/berth/bundle/rootfs',
    cgroup: {
      steps: [{ op: 'write-file', path: '/sys/fs/cgroup/memory/docker/c0ffee/tasks', data: '0' }],
      directory,
      hierarchies: [
        { name: 'memory', directory: '/sys/fs/cgroup/memory/docker/c0ffee' },
        { name: 'cpu,cpuacct', directory: '/sys/fs/cgroup/cpu,cpuacct/docker/c0ffee' },
      ],
    },
    stdin: false,
  })
}

function stepsOf<Op extends StepOp>({ plan: { steps } }: DescribedPlan, op: Op): Extract<Step, { op: Op }>[] {
  return steps.filter((step): step is Extract<Step, { op: Op }> => step.op === op)
}

function indexOf({ plan: { steps } }: DescribedPlan, op: StepOp): number {
  return steps.findIndex((step) => step.op === op)
}

function home(spec: RuntimeSpec, env: string[]): void {
  spec.process = { ...spec.process!, env }
}

test("a real dockerd's config.json compiles to the expected plan", () => {
  const text = formatPlan(plan({ rootfs: { sources: new Map([['/var/lib/docker/containers/c0ffee/hosts', 'file']]) } }))
  const file = join(GOLDEN, 'docker-plan.txt')
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
  assert.equal(text, readFileSync(file, 'utf8'))
})

test('every step has its sentence', () => {
  const described = plan()
  assert.equal(described.sentences.length, described.plan.steps.length)
  assert.ok(described.sentences.every((sentence) => sentence !== ''))
})

test('nothing inside the root file system is reached by a path string before the pivot', () => {
  const { plan: compiled } = plan()
  const pivot = compiled.steps.findIndex(({ op }) => op === 'pivot-root')
  for (const step of compiled.steps.slice(0, pivot))
    if ('path' in step && !('root' in step) && !('dir' in step))
      assert.ok(!step.path.startsWith('/run/berth/bundle/rootfs/'), step.op)
  assert.equal(compiled.steps[pivot - 1]?.op === 'await-start', false)
})

test('privileges go in the order in which they are needed', () => {
  const described = plan()
  const order = ['pivot-root', 'cap-bounding', 'seccomp', 'set-ids', 'cap-set', 'resolve-exec', 'await-start', 'exec']
  const indexes = order.map((op) => indexOf(described, op as StepOp))
  assert.deepEqual(
    indexes,
    indexes.toSorted((a, b) => a - b),
  )
  assert.ok(!indexes.includes(-1))
})

test('with no_new_privs the filter is loaded after the capabilities are gone', () => {
  const described = plan({ edit: (spec) => Object.assign(spec.process!, { noNewPrivileges: true }) })
  assert.ok(indexOf(described, 'seccomp') > indexOf(described, 'cap-set'))
  assert.deepEqual(stepsOf(described, 'prctl'), [{ op: 'prctl', option: 38, arg2: 1n }])
})

test('namespaces are made at birth, joined by path, or left as they are', () => {
  assert.equal(plan().plan.cloneFlags, 0x6c020000)
  const joined = plan({
    edit: (spec) => {
      spec.linux!.namespaces = [{ type: 'mount' }, { type: 'network', path: '/run/netns/x' }, { type: 'cgroup' }]
      delete spec.hostname
    },
    directory: '/sys/fs/cgroup/docker/c0ffee',
  })
  assert.equal(joined.plan.cloneFlags, 0x20000)
  assert.deepEqual(stepsOf(joined, 'setns'), [{ op: 'setns', path: '/run/netns/x', kind: 0x40000000 }])
  // The group's namespace is made once the process is in the group.
  assert.ok(indexOf(joined, 'unshare') > indexOf(joined, 'write-file'))
  assert.equal(indexOf(joined, 'loopback-up'), -1)
})

test('a hostname needs a UTS namespace', () => {
  const edit = (spec: RuntimeSpec) => {
    spec.linux!.namespaces = [{ type: 'mount' }]
    delete spec.linux!.sysctl
  }
  assert.throws(() => plan({ edit }), { code: 'invalid-argument', message: /hostname/ })
})

test('HOME comes from passwd where the spec has none', () => {
  const envOf = (given: Given) => stepsOf(plan(given), 'exec')[0]!.env
  assert.ok(envOf({}).includes('HOME=/root'))
  assert.ok(
    envOf({ edit: (spec) => Object.assign(spec.process!, { user: { uid: 1000, gid: 1000 } }) }).includes(
      'HOME=/home/me',
    ),
  )
  assert.ok(envOf({ edit: (spec) => Object.assign(spec.process!, { user: { uid: 7, gid: 7 } }) }).includes('HOME=/'))
  assert.deepEqual(envOf({ edit: (spec) => home(spec, ['HOME=/x', 'A=1', 'A=2']) }), ['HOME=/x', 'A=2'])
})

test('a program without a slash is looked for along the absolute entries of PATH', () => {
  const candidates = (args: string[], path: string) =>
    stepsOf(plan({ edit: (spec) => Object.assign(spec.process!, { args, env: [`PATH=${path}`] }) }), 'resolve-exec')[0]!
      .candidates
  assert.deepEqual(candidates(['sh'], '/bin:relative::/usr/bin/'), ['/bin/sh', '/usr/bin/sh'])
  assert.deepEqual(candidates(['./run'], '/bin'), ['./run'])
  assert.deepEqual(candidates([''], '/bin'), [])
})

test('a terminal takes the devpts of the container and covers /dev/console', () => {
  const described = plan({
    edit: (spec) => Object.assign(spec.process!, { terminal: true, consoleSize: { height: 24, width: 80 } }),
  })
  const [pty] = stepsOf(described, 'pty')
  const devpts = stepsOf(described, 'fs-mount').find(({ fstype }) => fstype === 'devpts')
  assert.equal(pty?.devpts, devpts?.slot)
  assert.deepEqual([pty?.rows, pty?.columns], [24, 80])
  assert.ok(stepsOf(described, 'make-path').some(({ path, kind }) => path === 'console' && kind === 'file'))
  assert.equal(described.plan.terminal, true)
})

test('capabilities that the host does not have are left out', () => {
  const all = ['CAP_CHOWN', 'CAP_SYS_RESOURCE', 'CAP_CHECKPOINT_RESTORE', 'CAP_OF_THE_FUTURE']
  const capabilities = { bounding: all, effective: all, permitted: all, inheritable: ['CAP_CHOWN'], ambient: all }
  const described = plan({
    edit: (spec) => Object.assign(spec.process!, { capabilities }),
    host: { capabilities: ((1n << 41n) - 1n) & ~(1n << 24n), lastCapability: 39 },
  })
  assert.equal(stepsOf(described, 'cap-bounding')[0]?.keep, 1n)
  assert.equal(stepsOf(described, 'cap-ambient')[0]?.set, 1n)
})

test('what the host cannot do is refused, not passed over', () => {
  const refused: [string, (spec: RuntimeSpec) => void][] = [
    ['process.apparmorProfile', (spec) => Object.assign(spec.process!, { apparmorProfile: 'docker-default' })],
    ['process.selinuxLabel', (spec) => Object.assign(spec.process!, { selinuxLabel: 'a:b:c' })],
    ['linux.mountLabel', (spec) => Object.assign(spec.linux!, { mountLabel: 'a:b:c' })],
    ['linux.intelRdt', (spec) => Object.assign(spec.linux!, { intelRdt: { closID: 'x' } })],
  ]
  for (const [field, edit] of refused) assert.throws(() => plan({ edit }), { message: new RegExp(`^${field}: `) })
})

test('a PID namespace is joined at birth, before any step', () => {
  const joined = plan({
    edit: (spec) => Object.assign(spec.linux!.namespaces!.find(({ type }) => type === 'pid')!, { path: '/x' }),
  })
  assert.equal(joined.plan.pidNamespacePath, '/x')
  assert.equal(joined.plan.cloneFlags & 0x20000000, 0)
  assert.deepEqual(
    joined.plan.steps.filter(({ op }) => op === 'setns'),
    [],
  )
})

test('sysctls outside the namespaces of the container are refused', () => {
  const refuse = (key: string, value = '1', edit: (spec: RuntimeSpec) => void = () => {}) =>
    assert.throws(
      () =>
        plan({
          edit: (spec) => {
            edit(spec)
            spec.linux!.sysctl = { [key]: value }
          },
        }),
      { code: 'invalid-argument', message: new RegExp(`^linux.sysctl: .*${key.replace(/[.*\\]/g, '\\$&')}`) },
      key,
    )
  refuse('kernel.core_pattern')
  refuse('kernel.hostname')
  refuse('vm.swappiness')
  refuse('net.../kernel/core_pattern')
  refuse('net/../kernel/core_pattern')
  refuse('user.max_user_namespaces')
  refuse('net.ipv4.ip_forward', '1\nkernel.core_pattern')
  refuse('net.ipv4.ip_forward', '1', (spec) => {
    spec.linux!.namespaces = spec.linux!.namespaces!.filter(({ type }) => type !== 'network')
  })
})

test("the streams of a user namespace's first process are its root's, unless they are the caller's", () => {
  const edit = (spec: RuntimeSpec) => {
    spec.linux!.namespaces!.push({ type: 'user' })
    spec.linux!.uidMappings = [{ containerID: 0, hostID: 1000, size: 10 }]
    spec.linux!.gidMappings = [{ containerID: 0, hostID: 2000, size: 10 }]
  }
  const described = plan({ edit })
  assert.deepEqual(stepsOf(described, 'own-streams'), [{ op: 'own-streams', uid: 1000, gid: 2000 }])
  assert.ok(indexOf(described, 'own-streams') < indexOf(described, 'clone'))
  assert.equal(indexOf(plan(), 'own-streams'), -1)
})

test('a sysctl of an interface whose name has a dot is written with slashes', () => {
  const described = plan({
    edit: (spec) => {
      spec.linux!.sysctl = { 'net/ipv4/conf/eth0.100/forwarding': '1', 'kernel.shmmax': '7' }
    },
  })
  assert.deepEqual(
    stepsOf(described, 'write-file').flatMap(({ dir, path }) => (dir === undefined ? [] : [path])),
    ['sys/net/ipv4/conf/eth0.100/forwarding', 'sys/kernel/shmmax'],
  )
})
