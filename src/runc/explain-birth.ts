// Why a process could not be made, in the words of whoever wrote its plan.
import { messageOf } from '../base/failure.ts'
import type { Step } from '../linux/steps.ts'
import { explainStepFailure } from '../runtime/explain-step-failure.ts'
import type { DescribedPlan } from '../runtime/plan-types.ts'
import { StepFailure } from '../shim/shim.ts'

/** What comes when the container around the process is complete. */
const LAST_STEPS: ReadonlySet<Step['op']> = new Set([
  'chdir',
  'umask',
  'cap-bounding',
  'prctl',
  'seccomp',
  'set-ids',
  'cap-set',
  'cap-ambient',
  'resolve-exec',
  'exec',
])

/** For a container's first process: what fails before its container is complete is said to be of the container. */
export function explainFirstBirth(described: DescribedPlan, error: unknown): string {
  const step = error instanceof StepFailure && error.step !== undefined ? described.plan.steps[error.step] : undefined
  const isLast = step !== undefined && LAST_STEPS.has(step.op)
  return `${isLast ? '' : 'error during container init: '}${explainBirth(described, error)}`
}

export function explainBirth(described: DescribedPlan, error: unknown): string {
  if (!(error instanceof StepFailure)) return messageOf(error)
  const words = typeof error.cause === 'string' ? error.cause.trim() : ''
  return `${explainStepFailure(described, error).message}${words === '' ? '' : `: ${words}`}`
}
