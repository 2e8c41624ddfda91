// The words of a task that could not be made, as Docker's users know them.
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { explainStepFailure } from '../../runtime/explain-step-failure.ts'
import type { DescribedPlan } from '../../runtime/plan-types.ts'
import { StepFailure } from '../../shim/shim.ts'

/** dockerd and its CLI decide on these texts (exit codes 126 and 127), so they keep runc's frame. */
export function explainCreateFailure(described: DescribedPlan, error: unknown): Failure {
  return wrap(
    'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process',
    described,
    error,
  )
}

export function explainStartFailure(described: DescribedPlan | undefined, error: unknown): Failure {
  return wrap('failed to start shim task: OCI runtime start failed: cannot start a container process', described, error)
}

export function explainExecFailure(described: DescribedPlan | undefined, error: unknown): Failure {
  return wrap('OCI runtime exec failed: exec failed: unable to start container process', described, error)
}

function wrap(frame: string, described: DescribedPlan | undefined, error: unknown): Failure {
  const inner = described !== undefined && error instanceof StepFailure ? explainStepFailure(described, error) : error
  const code = isFailure(inner) ? inner.code : 'unknown'
  return new Failure(code, `${frame}: ${messageOf(inner)}: unknown`, { cause: error })
}
