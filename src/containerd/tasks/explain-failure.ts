// The words of a task that could not be made, as Docker's users know them.
import { Failure, messageOf } from '../../base/failure.ts'
import { explainStepFailure } from '../../runtime/explain-step-failure.ts'
import type { DescribedPlan } from '../../runtime/plan-types.ts'
import { explainFirstBirth } from '../../runc/explain-birth.ts'
import { StepFailure } from '../../shim/shim.ts'
import type { TaskHost } from './task-host.ts'

type Teller = Pick<TaskHost, 'isShim'>

/** dockerd and its CLI decide on these texts (exit codes 126 and 127), so they keep runc's frame. */
export function explainCreateFailure(teller: Teller, described: DescribedPlan | undefined, error: unknown): Failure {
  const frame = 'OCI runtime create failed: runc create failed: unable to start container process'
  if (described === undefined || !(error instanceof StepFailure))
    return wrap(teller, 'failed to create shim task: ', frame, described, error)
  const failure = new Failure('unknown', `${frame}: ${explainFirstBirth(described, error)}`, { cause: error })
  return framed(teller, 'failed to create shim task: ', failure)
}

export function explainStartFailure(teller: Teller, described: DescribedPlan | undefined, error: unknown): Failure {
  const frame = 'OCI runtime start failed: cannot start a container process'
  return wrap(teller, 'failed to start shim task: ', frame, described, error)
}

export function explainExecFailure(teller: Teller, described: DescribedPlan | undefined, error: unknown): Failure {
  const frame = 'OCI runtime exec failed: exec failed: unable to start container process'
  return wrap(teller, '', frame, described, error)
}

/** A shim's failures have no finer code than `unknown`: clients add the word of the code that they are given. */
function wrap(
  { isShim }: Teller,
  outer: string,
  frame: string,
  described: DescribedPlan | undefined,
  error: unknown,
): Failure {
  const inner = described !== undefined && error instanceof StepFailure ? explainStepFailure(described, error) : error
  return framed({ isShim }, outer, new Failure('unknown', `${frame}: ${messageOf(inner)}`, { cause: error }))
}

/** The words that containerd puts around those of its shim, where there is no other containerd to do it. */
export function framed({ isShim }: Teller, outer: string, failure: Failure): Failure {
  return isShim ? failure : new Failure(failure.code, `${outer}${failure.message}: unknown`, { cause: failure })
}
