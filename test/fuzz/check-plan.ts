// What must hold for every plan, whatever the spec: the container's paths go through its root, the host's are those that were named.
import assert from 'node:assert/strict'
import type { Slot, Step } from '../../src/linux/steps.ts'
import type { ProcessSpec, RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import type { DescribedPlan } from '../../src/runtime/plan-types.ts'

const SLOTS = [
  'slot',
  'root',
  'dir',
  'from',
  'to',
  'devpts',
  'console',
  'target',
  'file',
  'directory',
  'userns',
  'socket',
  'fifo',
  'status',
]
const ENTERS_ROOT = new Set(['pivot-root', 'move-root', 'chroot'])
/** For an exec into a container with a mount namespace that was made for it. */
const JOINS = 'setns-init'

/** @param named host paths that the caller has given besides those of the spec. */
export function checkPlan({ plan, sentences }: DescribedPlan, spec: RuntimeSpec, named: readonly string[]): void {
  assert.equal(sentences.length, plan.steps.length)
  assert.ok(sentences.every((sentence) => sentence !== ''))
  assert.equal(plan.steps.at(-1)?.op, 'exec')
  const host = new Set([...named, ...hostPaths(spec)])
  const entrance = plan.steps.findIndex(({ op }) => ENTERS_ROOT.has(op))
  const inside = entrance >= 0 ? entrance : plan.steps.findIndex(({ op }) => op === JOINS)
  assert.ok(inside >= 0)
  const filled = new Set<Slot>([0, 249])
  for (const [index, step] of plan.steps.entries()) {
    checkSlots(step, filled)
    checkName(step)
    checkPath(step, host, index > inside, spec.process)
  }
}

/** What a spec names on the host, and what planning itself needs of it. */
function hostPaths({ mounts, hooks, linux }: RuntimeSpec): string[] {
  const sources = (mounts ?? []).map(({ source }) => source ?? '')
  const nodes = ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => `/dev/${name}`)
  const own = ['oom_score_adj', 'timens_offsets', 'ns/time_for_children', 'attr/keycreate'].map(
    (name) => `/proc/self/${name}`,
  )
  return [
    ...sources,
    ...(linux?.namespaces ?? []).map(({ path }) => path ?? ''),
    ...(linux?.devices ?? []).map(({ path }) => path.replace(/\/+(?:\.\/+)*/g, '/')),
    ...Object.values(hooks ?? {}).flatMap((list) => list.map(({ path }) => path)),
    ...nodes,
    ...own,
    '/proc',
    '/sys',
    '/proc/7/root',
    '/',
    '.',
  ]
}

/** A step names slots that there are, and reads only what a step before it has filled. */
function checkSlots(step: Step, filled: Set<Slot>): void {
  if (step.op === 'close-fds') return // its number is a descriptor
  for (const key of SLOTS) {
    const slot: unknown = Reflect.get(step, key)
    if (typeof slot !== 'number') continue
    assert.ok(slot >= 0 && slot < 250, `${step.op}.${key} = ${slot}`)
    if (key !== 'slot' || step.op === 'mount-setattr' || step.op === 'reconfigure' || step.op === 'close')
      assert.ok(filled.has(slot), `${step.op}.${key} = ${slot} is empty`)
    else filled.add(slot)
  }
}

function checkName(step: Step): void {
  if (step.op === 'mknod' || step.op === 'symlink')
    assert.ok(step.name !== '' && step.name !== '.' && step.name !== '..' && !step.name.includes('/'), step.name)
}

function checkPath(step: Step, host: ReadonlySet<string>, isInside: boolean, process: ProcessSpec | undefined): void {
  if (!('path' in step)) return
  const { path } = step
  assert.ok(!path.includes('\0'), `${step.op} ${path}`)
  const isRooted = ('root' in step && step.root !== undefined) || ('dir' in step && step.dir !== undefined)
  if (isRooted || step.op === 'make-path') {
    assert.ok(!path.split('/').includes('..'), `${step.op} ${path} climbs`)
    return
  }
  if (step.op === 'open-tree-of') {
    assert.ok(host.has(`${step.namespace.replace(/\/ns\/mnt$/, '')}/root${path}`), `${step.op} ${path}`)
    return
  }
  if (!isInside) assert.ok(host.has(path), `${step.op} ${path} is a path that nobody named`)
  else if (step.op === 'chdir') assert.equal(path, process?.cwd)
  else if (step.op === 'open-in-root') assert.ok(path === '/' || path === '/dev/pts', path)
  else assert.ok(step.op === 'propagation' || step.op === 'run-hook', `${step.op} ${path} inside`)
}
