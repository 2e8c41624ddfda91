// An OCI seccomp section to the BPF program that the kernel runs at every system call. Pure.
//
// What libseccomp and runc do is kept where it can be seen from inside: an ABI that the section doesn't list kills, an
// unconditional rule beats conditional ones, numbers newer than all that a denying profile names answer ENOSYS (so that a
// libc falls back to what it used before), conditions on one argument in one rule are alternatives. Differences that are
// meant stand in test/integration/seccomp-libseccomp.test.ts, which compares the two over every call.
import { Failure } from '../../base/failure.ts'
import type { SeccompRule, SeccompSpec } from '../../oci/runtime-spec.ts'
import { RETURN_ERRNO, RETURN_KILL_THREAD, returnValue } from './actions.ts'
import { answer, type Block, branch, encodeProgram, JUMP, load } from './bpf.ts'
import { compileCondition } from './conditions.ts'
import { type ConditionalRule, compileRanges, compileSwitch, toRanges, type Verdict } from './dispatch.ts'
import { secondDoor } from './multiplexed.ts'
import { type SyscallAbi, syscallNumbers, X32_BIT } from './syscall-numbers.ts'

const NUMBER_OFFSET = 0 // struct seccomp_data
const ARCHITECTURE_OFFSET = 4
const ENOSYS = 38

/** AUDIT_ARCH_* of linux/audit.h. x32 shares x86_64's. */
const AUDIT_X86_64 = 0xc000_003e
const AUDIT_I386 = 0x4000_0003
const AUDIT_AARCH64 = 0xc000_00b7

const ABI_BITS: Readonly<Record<SyscallAbi, 32 | 64>> = { x86_64: 64, i386: 32, x32: 32, aarch64: 64 }

/** The names of the OCI spec; undefined are those that no machine of ours can run. */
export const ABIS: Readonly<Record<string, SyscallAbi | undefined>> = {
  SCMP_ARCH_X86_64: 'x86_64',
  SCMP_ARCH_X86: 'i386',
  SCMP_ARCH_X32: 'x32',
  SCMP_ARCH_AARCH64: 'aarch64',
}
const FOREIGN_ABI =
  /^SCMP_ARCH_(?:ARM|M68K|MIPS(?:64)?(?:EL)?(?:64)?(?:N32)?|PARISC(?:64)?|PPC|PPC64(?:LE)?|RISCV64|S390X?|SHE?B?|LOONGARCH64)$/

/**
 * The program as an array of struct sock_filter, little-endian. Names that no ABI knows are skipped, as profiles
 * are written for many kernels. Throws Failure('invalid-argument') for an unknown action, operator or architecture,
 * and for a filter larger than the kernel takes.
 */
export function compileSeccomp(spec: SeccompSpec, facts: { arch: 'x86_64' | 'aarch64' }): Uint8Array {
  const own = bySpec.get(spec)
  if (own?.arch === facts.arch) return own.program.slice()
  const program = compileOnce(spec, facts)
  bySpec.set(spec, { arch: facts.arch, program })
  return program.slice()
}

/** Every exec of a container has the very section of its container, which nobody changes: to write it as a key costs more than the rest of a plan. */
const bySpec = new WeakMap<SeccompSpec, { arch: string; program: Uint8Array }>()

function compileOnce(spec: SeccompSpec, facts: { arch: 'x86_64' | 'aarch64' }): Uint8Array {
  const key = facts.arch + JSON.stringify(spec)
  const known = compiled.get(key)
  if (known !== undefined) return known
  const program = compileProgram(spec, facts)
  const oldest = compiled.keys().next()
  if (compiled.size >= COMPILED_MAX && oldest.done !== true) compiled.delete(oldest.value)
  compiled.set(key, program)
  return program
}

/** Nearly all containers have the same profile, and starting one must not wait for it twice. */
const compiled = new Map<string, Uint8Array>()
const COMPILED_MAX = 8

function compileProgram(spec: SeccompSpec, facts: { arch: 'x86_64' | 'aarch64' }): Uint8Array {
  const abis = new Set<SyscallAbi>([facts.arch])
  for (const name of spec.architectures ?? []) abis.add(requireAbi(name) ?? facts.arch)
  const rules = prepareRules(spec)
  const killForeign: Block = [answer(RETURN_KILL_THREAD)]

  const cases: { equals: number; block: Block }[] = []
  if (facts.arch === 'aarch64')
    cases.push({ equals: AUDIT_AARCH64, block: [loadNumber, ...compileAbi(rules, 'aarch64')] })
  else {
    // -1 is no x32 call: a tracer may have put it there.
    const noX32 = branch(JUMP.equal, 0xffff_ffff, [answer(rules.otherwise)], killForeign)
    const x32 = abis.has('x32') ? compileAbi(rules, 'x32') : noX32
    const x86 = branch(JUMP.greaterOrEqual, X32_BIT, x32, compileAbi(rules, 'x86_64'))
    cases.push({ equals: AUDIT_X86_64, block: [loadNumber, ...x86] })
    if (abis.has('i386')) cases.push({ equals: AUDIT_I386, block: [loadNumber, ...compileAbi(rules, 'i386')] })
  }
  return encodeProgram(compileSwitch(ARCHITECTURE_OFFSET, cases, killForeign))
}

const loadNumber = load(NUMBER_OFFSET)

function requireAbi(name: string): SyscallAbi | undefined {
  const abi = Object.hasOwn(ABIS, name) ? ABIS[name] : undefined
  if (abi === undefined && !FOREIGN_ABI.test(name))
    throw new Failure('invalid-argument', `string ${name} is not a valid arch for seccomp`)
  return abi
}

interface PreparedRules {
  otherwise: number
  /** For numbers that are newer than the profile. */
  beyond: number
  rules: readonly { names: readonly string[]; value: number; alternatives: readonly Conditions[] }[]
}

/** All must hold. */
type Conditions = NonNullable<SeccompRule['args']>

/** A tracer or a log wants to see new calls, too, and who gave ENOSYS as the answer to all has said enough. */
const PERMITTING: ReadonlySet<string> = new Set(['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'])

/** Everything that doesn't depend on the ABI; also where a bad rule is found even if no name of it is known. */
function prepareRules(spec: SeccompSpec): PreparedRules {
  if (spec.defaultAction === 'SCMP_ACT_NOTIFY')
    throw new Failure('invalid-argument', 'SCMP_ACT_NOTIFY cannot be used as default action')
  const otherwise = returnValue(spec.defaultAction, spec.defaultErrnoRet)
  const permits = PERMITTING.has(spec.defaultAction) || spec.defaultErrnoRet === ENOSYS
  const rules = (spec.syscalls ?? []).map((rule) => {
    // The listener's number is told by a write, which nobody could let pass yet.
    if (rule.action === 'SCMP_ACT_NOTIFY' && rule.names.includes('write'))
      throw new Failure('invalid-argument', 'SCMP_ACT_NOTIFY cannot be used for the write syscall')
    return {
      names: rule.names,
      value: returnValue(rule.action, rule.errnoRet),
      alternatives: toAlternatives(rule.args ?? []),
    }
  })
  return { otherwise, beyond: permits ? otherwise : RETURN_ERRNO + ENOSYS, rules }
}

function toAlternatives(conditions: Conditions): Conditions[] {
  for (const condition of conditions) compileCondition(condition, 64)
  const indexes = new Set(conditions.map((condition) => condition.index))
  if (indexes.size === conditions.length) return [conditions]
  return conditions.map((condition) => [condition])
}

function compileAbi(prepared: PreparedRules, abi: SyscallAbi): Block {
  const numbers = syscallNumbers(abi)
  const bit = abi === 'x32' ? X32_BIT : 0
  const verdicts = new Map<number, Verdict>()
  const conditional = new Map<number, ConditionalRule[]>()
  let known = 0
  const add = (number: number, value: number, alternatives: readonly Conditions[]): void => {
    if (typeof verdicts.get(number) === 'number') return
    const compiled = compileAlternatives(alternatives, value, ABI_BITS[abi])
    if (compiled === undefined) {
      verdicts.set(number, value)
      return
    }
    const before = conditional.get(number)
    if (before === undefined) {
      const rules = [...compiled]
      conditional.set(number, rules)
      verdicts.set(number, { rules, otherwise: prepared.otherwise })
    } else before.push(...compiled)
  }
  for (const { names, value, alternatives } of prepared.rules) {
    for (const name of names) {
      const plain = numbers.get(name)
      if (plain !== undefined) known = Math.max(known, plain + bit)
      if (value === prepared.otherwise) continue // says nothing, and doesn't stand in the way of a rule that does
      if (plain !== undefined) add(plain + bit, value, alternatives)
      const door = abi === 'i386' ? secondDoor(name) : undefined
      const through = door === undefined ? undefined : numbers.get(door.through)
      if (door !== undefined && through !== undefined)
        add(
          through,
          value,
          alternatives.map((all) => [door.condition, ...all.filter(({ index }) => index !== 0)]),
        )
    }
  }
  // A profile that names nothing of this ABI says nothing about how new it is.
  const beyond = known === 0 ? prepared.otherwise : prepared.beyond
  return compileRanges(toRanges(verdicts, { otherwise: prepared.otherwise, beyond, known }))
}

/** Undefined: no condition, the rule always holds. */
function compileAlternatives(
  alternatives: readonly Conditions[],
  value: number,
  bits: 32 | 64,
): ConditionalRule[] | undefined {
  if (alternatives.some((conditions) => conditions.length === 0)) return undefined
  return alternatives.map((conditions) => ({
    checks: conditions.map((condition) => compileCondition(condition, bits)),
    value,
  }))
}
