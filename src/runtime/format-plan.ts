// A plan as numbered sentences, for people and golden tests.
import type { Step } from '../linux/steps.ts'
import type { DescribedPlan } from './plan-types.ts'

export function formatPlan({ plan, sentences }: DescribedPlan): string {
  const head = [
    `clone flags 0x${plan.cloneFlags.toString(16)}`,
    plan.joinInitPidNamespace ? 'in the PID namespace of the first process' : '',
    plan.pidNamespacePath === undefined ? '' : `in the PID namespace ${plan.pidNamespacePath}`,
    plan.cgroupDirectory === undefined ? '' : `into ${plan.cgroupDirectory}`,
    plan.terminal ? 'terminal' : plan.stdin ? 'stdin' : '',
  ].filter((part) => part !== '')
  const lines = plan.steps.map(
    (step, index) => `${String(index).padStart(3)} ${sentences[index]}  [${formatStep(step)}]`,
  )
  return `${[head.join(', '), ...lines].join('\n')}\n`
}

function formatStep({ op, skipOn, ...fields }: Step): string {
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${formatValue(name, value)}`)
  const skip = skipOn === undefined ? [] : [`errno ${skipOn.errnos.join('|')} skips ${skipOn.skip}`]
  return [op, ...parts, ...skip].join(' ')
}

/** Masks and modes in the base that people read them in. */
function formatValue(name: string, value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length / 8} instructions`
  if (typeof value === 'bigint') return `0x${value.toString(16)}`
  if (name === 'mode' || name === 'mask') return `0${Number(value).toString(8)}`
  if (typeof value === 'number' && ['flags', 'attributes', 'kind', 'kinds'].includes(name))
    return `0x${value.toString(16)}`
  return JSON.stringify(value) ?? 'none'
}
