import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERRNO } from '../linux/kernel-error.ts'
import type { Step } from '../linux/steps.ts'
import { explainStepFailure } from './explain-step-failure.ts'
import type { DescribedPlan } from './plan-types.ts'
import { planProcessEnd } from './plan-process.ts'
import { StepList } from './step-list.ts'

function describe(list: StepList): DescribedPlan {
  const { steps, sentences } = list
  return {
    plan: {
      cloneFlags: 0,
      joinInitPidNamespace: false,
      cgroupDirectory: undefined,
      terminal: false,
      stdin: false,
      steps,
    },
    sentences,
  }
}

function explainProgram(program: string, errno: number): string {
  const list = new StepList()
  planProcessEnd(
    list,
    { rootfs: { passwd: undefined, group: undefined } },
    { cwd: '/', args: [program], env: ['PATH=/bin'] },
  )
  return explainStepFailure(describe(list), { step: 0, errno }).message
}

test('a missing or forbidden program is told in the words that the Docker CLI decides on', () => {
  assert.equal(explainProgram('nope', ERRNO.ENOENT), 'exec: "nope": executable file not found in $PATH')
  assert.equal(explainProgram('/x', ERRNO.ENOENT), 'exec: "/x": stat /x: no such file or directory')
  assert.equal(explainProgram('/etc/passwd', ERRNO.EACCES), 'exec: "/etc/passwd": permission denied')
})

test('the failure of execve itself names the program', () => {
  const list = new StepList()
  planProcessEnd(list, { rootfs: { passwd: undefined, group: undefined } }, { cwd: '/', args: ['/bin/x'] })
  const error = explainStepFailure(describe(list), { step: list.steps.length - 1, errno: ERRNO.ENOEXEC })
  assert.equal(error.message, 'exec /bin/x: exec format error')
})

test('a mount that fails is told as runc does, quotes in names and all', () => {
  const step: Step = { op: 'move-mount', from: 1, to: 2 }
  const list = new StepList()
  list.add('mount "a\\" at \\"b" at "/proc": move_mount', step)
  const error = explainStepFailure(describe(list), { step: 0, errno: ERRNO.EPERM })
  assert.equal(error.message, 'error mounting "a\\" at \\"b" to rootfs at "/proc": move_mount: operation not permitted')
})

test('a failure of the shim itself, or of a step that no plan has, still makes a sentence', () => {
  for (const step of [undefined, 99])
    assert.match(
      explainStepFailure(describe(new StepList()), { step, errno: ERRNO.ENOMEM }).message,
      /cannot allocate memory/,
    )
})
