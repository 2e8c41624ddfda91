import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { planExec } from './plan-exec.ts'

const spec: RuntimeSpec = {
  ociVersion: '1.0.2',
  process: { cwd: '/', oomScoreAdj: 500 },
  linux: {
    namespaces: [{ type: 'mount' }, { type: 'network', path: '/run/netns/x' }, { type: 'pid' }, { type: 'ipc' }],
  },
}

function plan(process: Partial<ProcessSpec> = {}, edited: RuntimeSpec = spec) {
  return planExec({
    spec: edited,
    process: { cwd: '/work', args: ['id'], env: ['PATH=/bin'], ...process },
    host: { arch: 'x86_64', cgroupVersion: 1, capabilities: (1n << 41n) - 1n, lastCapability: 40 },
    rootfs: { passwd: undefined, group: undefined },
    cgroup: { steps: [{ op: 'write-file', path: '/cg/tasks', data: '0' }], directory: undefined },
    stdin: true,
  })
}

test('an exec enters the group, then the namespaces, then gives up its privileges', () => {
  const { plan: compiled } = plan()
  assert.deepEqual(
    compiled.steps.map(({ op }) => op),
    [
      'write-file',
      'write-file',
      'setsid',
      'setns-init',
      'chdir',
      'umask',
      'close-fds',
      'cap-bounding',
      'set-ids',
      'cap-set',
      'cap-ambient',
      'resolve-exec',
      'await-start',
      'exec',
    ],
  )
  assert.equal(compiled.joinInitPidNamespace, true)
  assert.equal(compiled.stdin, true)
})

test('it joins what the container has, and no more', () => {
  const kindsOf = (edited: RuntimeSpec) => plan({}, edited).plan.steps.find((step) => step.op === 'setns-init')
  assert.deepEqual(kindsOf(spec), { op: 'setns-init', kinds: 0x20000 | 0x40000000 | 0x8000000 })
  const hostPid = { ...spec, linux: { namespaces: [{ type: 'mount' as const }] } }
  assert.deepEqual(kindsOf(hostPid), { op: 'setns-init', kinds: 0x20000 })
  assert.equal(plan({}, hostPid).plan.joinInitPidNamespace, false)
})

test("streams are given to a user namespace's root before it is entered", () => {
  const linux = {
    namespaces: [{ type: 'mount' as const }, { type: 'user' as const }],
    uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
    gidMappings: [{ containerID: 0, hostID: 2000, size: 10 }],
  }
  const { steps } = plan({}, { ...spec, linux }).plan
  const given = steps.findIndex(({ op }) => op === 'own-streams')
  assert.deepEqual(steps[given], { op: 'own-streams', uid: 1000, gid: 2000 })
  assert.ok(given < steps.findIndex(({ op }) => op === 'setns-init'))
})

test("it has the container's OOM score unless it has its own", () => {
  const scoreOf = (process: Partial<ProcessSpec>) =>
    plan(process).plan.steps.find((step) => step.op === 'write-file' && step.path.endsWith('oom_score_adj'))
  assert.deepEqual(scoreOf({}), { op: 'write-file', path: '/proc/self/oom_score_adj', data: '500' })
  assert.deepEqual(scoreOf({ oomScoreAdj: 1 }), { op: 'write-file', path: '/proc/self/oom_score_adj', data: '1' })
})

test('capabilities are those of the process, not of the container', () => {
  const step = plan({
    capabilities: { bounding: ['CAP_KILL'], permitted: ['CAP_KILL'], effective: ['CAP_KILL'] },
  }).plan.steps.find(({ op }) => op === 'cap-set')
  assert.deepEqual(step, { op: 'cap-set', effective: 32n, permitted: 32n, inheritable: 0n })
})
