// Why a process could not be made, in the words of whoever wrote its plan.
import { messageOf } from '../base/failure.ts'
import { explainStepFailure } from '../runtime/explain-step-failure.ts'
import type { DescribedPlan } from '../runtime/plan-types.ts'
import { StepFailure } from '../shim/shim.ts'

export function explainBirth(described: DescribedPlan, error: unknown): string {
  if (!(error instanceof StepFailure)) return messageOf(error)
  const words = typeof error.cause === 'string' ? error.cause.trim() : ''
  return `${explainStepFailure(described, error).message}${words === '' ? '' : `: ${words}`}`
}
