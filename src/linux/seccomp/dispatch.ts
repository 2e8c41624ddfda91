// From a system call's number to its answer: a binary tree over ranges of numbers that are answered alike.
import { answer, type Block, branch, goTo, JUMP, load } from './bpf.ts'
import type { Check } from './conditions.ts'

/** A fixed answer, or the first rule whose checks all hold. */
export type Verdict = number | { rules: readonly ConditionalRule[]; otherwise: number }

export interface ConditionalRule {
  checks: readonly { length: number; check: Check }[]
  value: number
}

/** What is done with all numbers from this one up to where the next range starts. */
export interface VerdictRange {
  from: number
  block: Block
}

/** Neighbours with the same verdict become one range; numbers without one get `otherwise`, those past the last known `beyond`. */
export function toRanges(
  verdicts: ReadonlyMap<number, Verdict>,
  options: { otherwise: number; beyond: number; known: number },
): VerdictRange[] {
  const answers = new Map<number, Block>()
  const toBlock = (verdict: Verdict): Block => {
    if (typeof verdict !== 'number') return compileVerdict(verdict)
    const block = answers.get(verdict) ?? compileVerdict(verdict)
    answers.set(verdict, block)
    return block
  }
  const otherwise = toBlock(options.otherwise)
  const ranges: VerdictRange[] = [{ from: 0, block: otherwise }]
  const start = (from: number, block: Block): void => {
    if (ranges.at(-1)?.from === from) ranges.pop()
    if (!isSame(ranges.at(-1)?.block, block)) ranges.push({ from, block })
  }
  for (const [number, verdict] of [...verdicts].sort(([a], [b]) => a - b)) {
    if (number > options.known && options.beyond !== options.otherwise) break // only a second door of i386 can be so high
    start(number, toBlock(verdict))
    start(number + 1, otherwise)
  }
  start(options.known + 1, toBlock(options.beyond))
  return ranges
}

function isSame(one: Block | undefined, other: Block): boolean {
  if (one === other) return true
  return (
    one?.[0]?.target !== undefined && other[0]?.target !== undefined && JSON.stringify(one) === JSON.stringify(other)
  )
}

/** Expects the number in the accumulator. */
export function compileRanges(ranges: readonly VerdictRange[]): Block {
  const middle = ranges.length >> 1
  const pivot = ranges[middle]
  const only = ranges[0]
  if (pivot === undefined || only === undefined) throw new Error('no ranges')
  if (middle === 0) return only.block
  const upper = compileRanges(ranges.slice(middle))
  const lower = compileRanges(ranges.slice(0, middle))
  return branch(JUMP.greaterOrEqual, pivot.from, upper, lower)
}

/** Rules are often the same for many calls, and for several ABIs. */
function compileVerdict(verdict: Verdict): Block {
  if (typeof verdict === 'number') return [answer(verdict)]
  return [goTo([...verdict.rules.flatMap(compileRule), answer(verdict.otherwise)])]
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
