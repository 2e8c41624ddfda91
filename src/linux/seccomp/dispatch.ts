// From a system call's number to its answer: a binary tree over ranges of numbers that are answered alike.
import { answer, type Block, branch, JUMP, load } from './bpf.ts'
import type { Check } from './conditions.ts'

/** A fixed answer, or the first rule whose checks all hold. */
export type Verdict = number | { rules: readonly ConditionalRule[]; otherwise: number }

export interface ConditionalRule {
  checks: readonly { length: number; check: Check }[]
  value: number
}

/** A verdict for all numbers from this one up to where the next range starts. */
export interface VerdictRange {
  from: number
  verdict: Verdict
}

/** Neighbours with the same verdict become one range; numbers without one get `otherwise`, those past the last known `beyond`. */
export function toRanges(
  verdicts: ReadonlyMap<number, Verdict>,
  options: { otherwise: number; beyond: number; known: number },
): VerdictRange[] {
  const ranges: VerdictRange[] = [{ from: 0, verdict: options.otherwise }]
  const start = (from: number, verdict: Verdict): void => {
    if (ranges.at(-1)?.from === from) ranges.pop()
    if (ranges.at(-1)?.verdict !== verdict) ranges.push({ from, verdict })
  }
  for (const number of [...verdicts.keys()].sort((a, b) => a - b)) {
    start(number, verdicts.get(number) ?? options.otherwise)
    start(number + 1, options.otherwise)
  }
  start(options.known + 1, options.beyond)
  return ranges
}

/** Expects the number in the accumulator. */
export function compileRanges(ranges: readonly VerdictRange[]): Block {
  const middle = ranges.length >> 1
  const pivot = ranges[middle]
  const only = ranges[0]
  if (pivot === undefined || only === undefined) throw new Error('no ranges')
  if (middle === 0) return compileVerdict(only.verdict)
  const upper = compileRanges(ranges.slice(middle))
  const lower = compileRanges(ranges.slice(0, middle))
  return branch(JUMP.greaterOrEqual, pivot.from, upper, lower)
}

function compileVerdict(verdict: Verdict): Block {
  if (typeof verdict === 'number') return [answer(verdict)]
  return [...verdict.rules.flatMap(compileRule), answer(verdict.otherwise)]
}

/** Every check that fails jumps behind the rule's answer. Six checks at most, so every offset fits. */
function compileRule(rule: ConditionalRule): Block {
  const lengths = rule.checks.map((check) => check.length)
  const checks = rule.checks.flatMap(({ check }, index) => {
    const behind = lengths.slice(index + 1).reduce((sum, length) => sum + length, 0)
    return check(behind + 1)
  })
  return [...checks, answer(rule.value)]
}

/** Tells one ABI from the next by a word of struct seccomp_data. */
export function compileSwitch(
  offset: number,
  cases: readonly { equals: number; block: Block }[],
  otherwise: Block,
): Block {
  const tail = cases.reduceRight((rest, { equals, block }) => branch(JUMP.equal, equals, block, rest), otherwise)
  return [load(offset), ...tail]
}
