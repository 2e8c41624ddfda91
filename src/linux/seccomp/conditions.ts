// Conditions on the arguments of a system call, as jumps. BPF compares 32 bits, an argument has 64: high word first, then low.
import { Failure } from '../../base/failure.ts'
import type { SeccompRule } from '../../oci/runtime-spec.ts'
import { and, type Instruction, JUMP, jump, load } from './bpf.ts'

export type Condition = NonNullable<SeccompRule['args']>[number]

interface Words {
  high: number
  low: number
}

const ARGUMENTS_OFFSET = 16 // offsetof(struct seccomp_data, args); the machines we know are little-endian
const ARGUMENTS_MAX = 6
const U64_MAX = 0xffff_ffff_ffff_ffffn

/** Falls out of the end when the condition holds and jumps `miss` instructions past the end when it doesn't. */
export type Check = (miss: number) => Instruction[]

/**
 * The check of one condition. On a 32-bit ABI only the low word counts, as values written for 64 bits (say -1)
 * must match there too. Throws Failure('invalid-argument') for an unknown operator, a bad index or value.
 */
export function compileCondition(condition: Condition, bits: 32 | 64): { length: number; check: Check } {
  const { index, op } = condition
  if (!Number.isInteger(index) || index < 0 || index >= ARGUMENTS_MAX)
    throw new Failure('invalid-argument', `seccomp argument index ${index} is out of range`)
  const compile = Object.hasOwn(OPERATORS, op) ? OPERATORS[op] : undefined
  if (compile === undefined) throw new Failure('invalid-argument', `string ${op} is not a valid operator for seccomp`)
  const offset = ARGUMENTS_OFFSET + index * 8
  const check = compile(offset, toWords(condition.value), toWords(condition.valueTwo ?? 0), bits)
  return { length: check(0).length, check }
}

type Operator = (offset: number, value: Words, second: Words, bits: 32 | 64) => Check

export const OPERATORS: Readonly<Record<string, Operator>> = {
  SCMP_CMP_EQ: (offset, value, _, bits) => equals(offset, value, undefined, bits),
  SCMP_CMP_NE: (offset, value, _, bits) => differs(offset, value, bits),
  SCMP_CMP_GT: (offset, value, _, bits) => exceeds(offset, value, JUMP.greater, bits),
  SCMP_CMP_GE: (offset, value, _, bits) => exceeds(offset, value, JUMP.greaterOrEqual, bits),
  SCMP_CMP_LT: (offset, value, _, bits) => staysBelow(offset, value, JUMP.greaterOrEqual, bits),
  SCMP_CMP_LE: (offset, value, _, bits) => staysBelow(offset, value, JUMP.greater, bits),
  // The value is the mask here, the second value what must remain under it.
  SCMP_CMP_MASKED_EQ: (offset, mask, value, bits) =>
    equals(offset, { high: value.high & mask.high, low: value.low & mask.low }, mask, bits),
}

function equals(offset: number, value: Words, mask: Words | undefined, bits: 32 | 64): Check {
  const word = (at: number, bitsOfWord: number, maskOfWord: number | undefined, miss: number): Instruction[] => [
    load(at),
    ...(maskOfWord === undefined ? [] : [and(maskOfWord)]),
    jump(JUMP.equal, bitsOfWord, 0, miss),
  ]
  return (miss) => {
    const low = word(offset, value.low, mask?.low, miss)
    return bits === 32 ? low : [...word(offset + 4, value.high, mask?.high, miss + low.length), ...low]
  }
}

function differs(offset: number, value: Words, bits: 32 | 64): Check {
  return (miss) => {
    const low = [load(offset), jump(JUMP.equal, value.low, miss, 0)]
    return bits === 32 ? low : [load(offset + 4), jump(JUMP.equal, value.high, 0, 2), ...low]
  }
}

function exceeds(offset: number, value: Words, lowJump: number, bits: 32 | 64): Check {
  return (miss) => {
    const low = [load(offset), jump(lowJump, value.low, 0, miss)]
    if (bits === 32) return low
    return [load(offset + 4), jump(JUMP.greater, value.high, 3, 0), jump(JUMP.equal, value.high, 0, miss + 2), ...low]
  }
}

/** The opposite of exceeds: what holds there misses here. */
function staysBelow(offset: number, value: Words, lowJump: number, bits: 32 | 64): Check {
  return (miss) => {
    const low = [load(offset), jump(lowJump, value.low, miss, 0)]
    if (bits === 32) return low
    return [load(offset + 4), jump(JUMP.greater, value.high, miss + 3, 0), jump(JUMP.equal, value.high, 0, 2), ...low]
  }
}

function toWords(value: number): Words {
  if (!Number.isInteger(value) || value < 0)
    throw new Failure('invalid-argument', `seccomp argument value ${value} is not an unsigned integer`)
  // 2^64-1 in JSON arrives as the nearest double, 2^64.
  const exact = BigInt(value) > U64_MAX ? U64_MAX : BigInt(value)
  return { high: Number(exact >> 32n), low: Number(exact & 0xffff_ffffn) }
}
