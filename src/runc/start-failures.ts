// The steps behind the start run in another command's time, which has no plan: what their failures are called goes into the record.
import { Failure } from '../base/failure.ts'
import { codeOfErrno, ERRNO, errnoText } from '../linux/kernel-error.ts'
import { explainStepFailure } from '../runtime/explain-step-failure.ts'
import type { DescribedPlan } from '../runtime/plan-types.ts'

/** Of a step by its index, `<subject>` for `<subject>: <errno's text>`; by `<index> <errno>` the whole text where it is another. */
export type StartFailures = Readonly<Record<string, string>>

const SAMPLE = ERRNO.EIO
const ECANCELED = 125
/** Those that a step may have words of its own for. */
const TELLING: readonly number[] = [ERRNO.ENOENT, ERRNO.EACCES, ERRNO.ENOEXEC, ERRNO.ETIMEDOUT, ECANCELED]

export function describeStartFailures(described: DescribedPlan): StartFailures {
  const { steps } = described.plan
  const start = steps.findIndex(({ op }) => op === 'await-fifo')
  if (start < 0) return {}
  return Object.fromEntries([...steps.keys()].slice(start + 1).flatMap((step) => describeStep(described, step)))
}

function describeStep(described: DescribedPlan, step: number): [string, string][] {
  const explain = (errno: number) => explainStepFailure(described, { step, errno }).message
  const [sample, end] = [explain(SAMPLE), `: ${errnoText(SAMPLE)}`]
  const subject = sample.endsWith(end) ? sample.slice(0, -end.length) : sample
  const special = TELLING.map((errno) => [errno, explain(errno)] as const).filter(
    ([errno, text]) => text !== `${subject}: ${errnoText(errno)}`,
  )
  return [[String(step), subject], ...special.map(([errno, text]): [string, string] => [`${step} ${errno}`, text])]
}

export function startFailure(known: StartFailures, step: number, errno: number): Failure {
  const text = known[`${step} ${errno}`] ?? `${known[String(step)] ?? `step ${step}`}: ${errnoText(errno)}`
  return new Failure(codeOfErrno(errno), `cannot start a container process: ${text}`)
}
