// Sections for comparing filters: random ones by seed, and what arguments tell rules apart.
import type { SeccompRule, SeccompSpec } from '../../src/oci/runtime-spec.ts'

const ACTIONS = [
  ['SCMP_ACT_KILL', undefined],
  ['SCMP_ACT_KILL_THREAD', undefined],
  ['SCMP_ACT_KILL_PROCESS', undefined],
  ['SCMP_ACT_TRAP', undefined],
  ['SCMP_ACT_ERRNO', undefined],
  ['SCMP_ACT_ERRNO', 0],
  ['SCMP_ACT_ERRNO', 38],
  ['SCMP_ACT_ERRNO', 133],
  ['SCMP_ACT_TRACE', undefined],
  ['SCMP_ACT_TRACE', 9],
  ['SCMP_ACT_NOTIFY', undefined],
  ['SCMP_ACT_LOG', undefined],
  ['SCMP_ACT_ALLOW', undefined],
] as const
const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`)
/** 2^64-1 is the only number beyond 2^53 that JSON's readers agree on. */
const VALUES = [0, 1, 2, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, 0x5_0000_0002, 2 ** 52]
const MASKS = [0, 1, 0xff, 0xffff_ffff, 0x7e02_0000, 0xf_0000_00f0, 0x1_0000_0000]

type Condition = NonNullable<SeccompRule['args']>[number]

export type Random = (below: number) => number

/** A small generator with a seed (mulberry32), so that a failure can be shown again. */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export interface ProfileShape {
  /** Conditions per rule at most; 0: none. */
  conditions: number
  /** Rules of one call never depend on their order, nor meet in one argument but for different values of it. */
  plain: boolean
  architectures: readonly (readonly string[])[]
}

const RULES_MAX = 40
const NAMES_MAX = 8

export function randomProfile(random: Random, pool: readonly string[], shape: ProfileShape): SeccompSpec {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T
  const action = (): { action: string; errnoRet?: number } => {
    const [name, errnoRet] = pick(ACTIONS)
    return { action: name, ...(errnoRet === undefined ? {} : { errnoRet }) }
  }
  let otherwise = action()
  while (otherwise.action === 'SCMP_ACT_NOTIFY') otherwise = action()
  const condition = (index: number): Condition => {
    const op = pick(OPERATORS)
    return op === 'SCMP_CMP_MASKED_EQ'
      ? { index, op, value: pick(MASKS), valueTwo: pick(VALUES) }
      : { index, op, value: pick(VALUES) }
  }
  const drawn = Array.from({ length: 1 + random(RULES_MAX) }, (): SeccompRule => {
    const names = [...new Set(Array.from({ length: 1 + random(NAMES_MAX) }, () => pick(pool)))]
    const args = Array.from({ length: random(shape.conditions + 1) }, () => condition(random(6)))
    // Many rules for one value each of one argument are what people write.
    if (args.length === 1 && random(2) === 0) args[0] = { index: 1, op: 'SCMP_CMP_EQ', value: random(1000) }
    return { names, ...action(), ...(args.length === 0 ? {} : { args }) }
  })
  const syscalls = shape.plain ? keepPlain(drawn) : drawn
  const architectures = [...pick(shape.architectures)]
  return {
    defaultAction: otherwise.action,
    ...(otherwise.errnoRet === undefined ? {} : { defaultErrnoRet: otherwise.errnoRet }),
    ...(architectures.length === 0 ? {} : { architectures }),
    syscalls,
  }
}

/** i386's calls that stand for many, each with rules of its own. */
const DOORS = ['socketcall', 'ipc']

/** Takes away what meets a rule that stands before: a call has one set of conditions, or different values of one argument. */
function keepPlain(rules: readonly SeccompRule[]): SeccompRule[] {
  const values = new Map<string, Set<number>>()
  const taken = new Set<string>()
  const kept = rules.map((rule): SeccompRule => {
    const args = rule.args ?? []
    const only = args.length === 1 && args[0]?.op === 'SCMP_CMP_EQ' && args[0].index === 1 ? args[0].value : undefined
    const args1 = new Set(args.map(({ index }) => index)).size === args.length ? args : args.slice(0, 1)
    const names = rule.names.filter((name) => {
      if (taken.has(name) || (args.length > 0 && DOORS.includes(name))) return false
      const before = values.get(name)
      if (before === undefined) {
        if (only === undefined) taken.add(name)
        else values.set(name, new Set([only]))
        return true
      }
      if (only === undefined || before.has(only)) return false
      before.add(only)
      return true
    })
    return { ...rule, names, ...(args1.length === 0 ? {} : { args: args1 }) }
  })
  return kept.filter(({ names }) => names.length > 0)
}

/** Values on both sides of every comparison in these rules, and some that no rule speaks of. */
export function tellingValues(rules: readonly SeccompRule[], index: number): bigint[] {
  const values = new Set<bigint>([0n, 0xffff_ffff_ffff_ffffn])
  for (const { args = [] } of rules)
    for (const { index: at, value, valueTwo = 0 } of args) {
      if (at !== index) continue
      for (const base of [BigInt(value), BigInt(valueTwo), BigInt(value) & BigInt(valueTwo)])
        for (const near of [base - 1n, base, base + 1n, base + 0x1_0000_0000n, base ^ 0x8000_0000_0000_0000n])
          values.add(BigInt.asUintN(64, near))
    }
  return [...values]
}

export const X86_LISTS: readonly (readonly string[])[] = [
  [],
  ['SCMP_ARCH_X86_64'],
  ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  ['SCMP_ARCH_X32'],
  ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
]
