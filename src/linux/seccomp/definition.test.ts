// Random sections, overlapping ones too, beside what they mean, which is written down here a second time and without any BPF:
// an unconditional rule of a call holds, else the first rule whose conditions all do, else the default.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomProfile, seeded, tellingValues, X86_LISTS } from '../../../test/harness/seccomp-profiles.ts'
import type { SeccompRule, SeccompSpec } from '../../oci/runtime-spec.ts'
import { returnValue } from './actions.ts'
import { runFilter } from './bpf-interpreter.ts'
import { compileSeccomp } from './compile-seccomp.ts'
import { secondDoor } from './multiplexed.ts'
import { type SyscallAbi, syscallNumbers, X32_BIT } from './syscall-numbers.ts'

const AUDIT = { x86_64: 0xc000_003e, x32: 0xc000_003e, i386: 0x4000_0003, aarch64: 0xc000_00b7 } as const
const NAMES =
  `read ioctl socket accept4 socketcall semop ipc clone futex openat personality shmat mseal send recv msgget
  fcntl64 waitpid clone3 execve newfstatat`.split(/\s+/)
const ENOSYS = 0x0005_0026
const seed = Number(process.env['SECCOMP_SEED'] ?? Date.now() % 1_000_000)

type Condition = NonNullable<SeccompRule['args']>[number]
type Holds = (argument: bigint, value: bigint, second: bigint) => boolean

const OPERATORS: Readonly<Record<string, Holds>> = {
  SCMP_CMP_NE: (argument, value) => argument !== value,
  SCMP_CMP_LT: (argument, value) => argument < value,
  SCMP_CMP_LE: (argument, value) => argument <= value,
  SCMP_CMP_EQ: (argument, value) => argument === value,
  SCMP_CMP_GE: (argument, value) => argument >= value,
  SCMP_CMP_GT: (argument, value) => argument > value,
  SCMP_CMP_MASKED_EQ: (argument, mask, value) => (argument & mask) === (value & mask),
}

for (const native of ['x86_64', 'aarch64'] as const)
  test(`random sections mean on ${native} what they say`, () => {
    const random = seeded(seed)
    for (let round = 0; round < 150; round++) {
      const architectures = native === 'x86_64' ? X86_LISTS : [[]]
      const spec = randomProfile(random, NAMES, { conditions: round % 5, plain: false, architectures })
      const program = compileSeccomp(spec, { arch: native })
      const telling = Array.from({ length: 6 }, (_, index) => tellingValues(spec.syscalls ?? [], index))
      for (const abi of abisOf(spec, native))
        for (const number of new Set(NAMES.map((name) => syscallNumbers(abi).get(name) ?? 700)))
          for (let draw = 0; draw < 12; draw++) {
            const args = telling.map((values) => values[random(values.length)] ?? 0n)
            if (number === 102 || number === 117) args[0] = BigInt(random(30)) + (BigInt(random(2)) << 16n)
            const nr = abi === 'x32' ? number + X32_BIT : number
            const answer = runFilter(program, { nr, arch: AUDIT[abi], args }).value
            if (answer !== meant(spec, abi, number, args))
              assert.fail(
                `SECCOMP_SEED=${seed}: ${abi} ${number} (${args}): ${answer.toString(16)}\n${JSON.stringify(spec)}`,
              )
          }
    }
  })

function meant(spec: SeccompSpec, abi: SyscallAbi, number: number, args: readonly bigint[]): number {
  const otherwise = returnValue(spec.defaultAction, spec.defaultErrnoRet)
  const numbers = syscallNumbers(abi)
  const named = (spec.syscalls ?? []).flatMap(({ names }) => names.flatMap((name) => numbers.get(name) ?? []))
  const newest = Math.max(-1, ...named)
  const counts = abi === 'x32' ? newest >= 0 : newest > 0
  const permits = /_(?:ALLOW|LOG|TRACE)$/.test(spec.defaultAction) || spec.defaultErrnoRet === 38
  if (number > newest && counts && !permits) return ENOSYS
  let conditional: number | undefined
  for (const rule of spec.syscalls ?? []) {
    const value = returnValue(rule.action, rule.errnoRet)
    if (value === otherwise) continue
    for (const conditions of conditionsOn(rule, abi, number)) {
      if (conditions.length === 0) return value
      if (conditional === undefined && conditions.every((condition) => holds(condition, abi, args))) conditional = value
    }
  }
  return conditional ?? otherwise
}

/** All lists of conditions under which the rule speaks of this number. */
function conditionsOn(rule: SeccompRule, abi: SyscallAbi, number: number): Condition[][] {
  const numbers = syscallNumbers(abi)
  const args = rule.args ?? []
  const repeated = new Set(args.map(({ index }) => index)).size < args.length
  const alternatives = repeated ? args.map((condition) => [condition]) : [args]
  return rule.names.flatMap((name) => {
    if (numbers.get(name) === number) return alternatives
    const door = abi === 'i386' ? secondDoor(name) : undefined
    if (door === undefined || numbers.get(door.through) !== number) return []
    return alternatives.map((all) => [door.condition, ...all.filter(({ index }) => index > 0)])
  })
}

function holds({ index, op, value, valueTwo = 0 }: Condition, abi: SyscallAbi, args: readonly bigint[]): boolean {
  const bits = abi === 'i386' || abi === 'x32' ? 32 : 64
  const [argument, first, second] = [args[index] ?? 0n, BigInt(value), BigInt(valueTwo)].map((number) =>
    BigInt.asUintN(bits, number),
  )
  return OPERATORS[op]?.(argument ?? 0n, first ?? 0n, second ?? 0n) ?? assert.fail(op)
}

function abisOf(spec: SeccompSpec, native: 'x86_64' | 'aarch64'): SyscallAbi[] {
  const listed = (spec.architectures ?? []).flatMap((name): SyscallAbi[] =>
    name === 'SCMP_ARCH_X86' ? ['i386'] : name === 'SCMP_ARCH_X32' ? ['x32'] : [],
  )
  return [native, ...listed]
}
