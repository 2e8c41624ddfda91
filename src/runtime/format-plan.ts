// A plan as numbered sentences, for people and golden tests.
import type { Step } from '../linux/steps.ts'
import type { DescribedPlan } from './plan-types.ts'

export function formatPlan({ plan, sentences, warnings = [] }: DescribedPlan): string {
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
  const notes = warnings.map((warning) => `warning: ${warning}`)
  return `${[head.join(', '), ...lines, ...notes].join('\n')}\n`
}

function formatStep({ op, skipOn, ...fields }: Step): string {
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${formatValue(name, value)}`)
  const skip = skipOn === undefined ? [] : [`errno ${skipOn.errnos.join('|')} skips ${skipOn.skip}`]
  return [op, ...parts, ...skip].join(' ')
}

/** Masks and modes in the base that people read them in. */
function formatValue(name: string, value: unknown): string {
  if (value instanceof Uint8Array) return name === 'program' ? `${value.length / 8} instructions` : formatBits(value)
  if (typeof value === 'bigint') return `0x${value.toString(16)}`
  if (name === 'mode' || name === 'mask') return `0${Number(value).toString(8)}`
  if (typeof value === 'number' && ['flags', 'attributes', 'kind', 'kinds'].includes(name))
    return `0x${value.toString(16)}`
  return JSON.stringify(value) ?? 'none'
}

/** The numbers of the bits that are set, runs of them as ranges. */
function formatBits(mask: Uint8Array): string {
  const isSet = (bit: number) => ((mask[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
  const ranges: string[] = []
  for (let bit = 0; bit < mask.length * 8; bit++) {
    if (!isSet(bit) || (bit > 0 && isSet(bit - 1))) continue
    let last = bit
    while (isSet(last + 1)) last++
    ranges.push(last === bit ? `${bit}` : `${bit}-${last}`)
  }
  return ranges.join(',') || 'none'
}
