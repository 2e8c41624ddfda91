import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeccompRule, SeccompSpec } from '../../oci/runtime-spec.ts'
import { runFilter } from './bpf-interpreter.ts'
import { compileSeccomp } from './compile-seccomp.ts'
import { type SyscallAbi, syscallNumbers, X32_BIT } from './syscall-numbers.ts'

const ALLOW = 0x7fff0000
const ERRNO = 0x00050000
const EPERM = 1
const ENOSYS = 38
const AUDIT: Record<SyscallAbi, number> = { x86_64: 0xc000003e, x32: 0xc000003e, i386: 0x40000003, aarch64: 0xc00000b7 }
const ALL_X86 = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']

function ask(program: Uint8Array, abi: SyscallAbi, name: string, ...args: bigint[]): number {
  const number = syscallNumbers(abi).get(name)
  assert.notEqual(number, undefined, name)
  return runFilter(program, { nr: number! + (abi === 'x32' ? X32_BIT : 0), arch: AUDIT[abi], args }).value
}

function oneCondition(op: string, value: number, valueTwo?: number): SeccompSpec {
  const arg = { index: 2, value, op, ...(valueTwo === undefined ? {} : { valueTwo }) }
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ALL_X86,
    syscalls: [{ names: ['fcntl'], action: 'SCMP_ACT_ALLOW', args: [arg] }],
  }
}

test('syscall numbers are those of the kernel', () => {
  const known: [SyscallAbi, string, number][] = [
    ['x86_64', 'read', 0],
    ['x86_64', 'clone3', 435],
    ['x86_64', 'uretprobe', 335],
    ['x86_64', 'mseal', 462],
    ['i386', 'exit', 1],
    ['i386', 'socketcall', 102],
    ['i386', 'futex_time64', 422],
    ['x32', 'read', 0],
    ['x32', 'execve', 520],
    ['aarch64', 'openat', 56],
    ['aarch64', 'mmap', 222],
    ['aarch64', 'newfstatat', 79],
    ['aarch64', 'rseq', 293],
  ]
  for (const [abi, name, number] of known) assert.equal(syscallNumbers(abi).get(name), number, `${abi} ${name}`)
  assert.equal(syscallNumbers('aarch64').has('open'), false)
})

test('every number of every ABI is answered as the profile says', () => {
  const names = [...syscallNumbers('x86_64').keys(), ...syscallNumbers('i386').keys()]
  const groups: SeccompRule[] = [
    { names: names.filter((_, index) => index % 3 === 0), action: 'SCMP_ACT_ALLOW' },
    { names: names.filter((_, index) => index % 7 === 1), action: 'SCMP_ACT_ERRNO', errnoRet: 13 },
    { names: ['no_such_call', 'mseal'], action: 'SCMP_ACT_LOG' },
  ]
  const spec: SeccompSpec = { defaultAction: 'SCMP_ACT_KILL_PROCESS', architectures: ALL_X86, syscalls: groups }
  const program = compileSeccomp(spec, { arch: 'x86_64' })
  const values = [ALLOW, ERRNO | 13, 0x7ffc0000]
  for (const abi of ['x86_64', 'i386', 'x32'] as const) {
    const numbers = syscallNumbers(abi)
    const known = Math.max(...groups.flatMap((group) => group.names.map((name) => numbers.get(name) ?? -1)))
    const expected = new Map<number, number>()
    groups.forEach((group, index) => {
      for (const name of group.names) {
        const number = numbers.get(name)
        if (number !== undefined && !expected.has(number)) expected.set(number, values[index]!)
      }
    })
    for (let number = 0; number < 700; number++) {
      const want = expected.get(number) ?? (number > known ? ERRNO | ENOSYS : 0x80000000)
      const nr = abi === 'x32' ? number + X32_BIT : number
      const { value, steps } = runFilter(program, { nr, arch: AUDIT[abi] })
      assert.equal(value, want, `${abi} ${number}`)
      assert.ok(steps < 30, `${steps} steps for ${abi} ${number}`)
    }
  }
})

test('all actions become their return values', () => {
  const cases: [string, number | undefined, number][] = [
    ['SCMP_ACT_KILL', undefined, 0],
    ['SCMP_ACT_KILL_THREAD', undefined, 0],
    ['SCMP_ACT_KILL_PROCESS', undefined, 0x80000000],
    ['SCMP_ACT_TRAP', undefined, 0x00030000],
    ['SCMP_ACT_ERRNO', undefined, ERRNO | EPERM],
    ['SCMP_ACT_ERRNO', 0, ERRNO],
    ['SCMP_ACT_ERRNO', 38, ERRNO | 38],
    ['SCMP_ACT_TRACE', 7, 0x7ff00007],
    ['SCMP_ACT_LOG', undefined, 0x7ffc0000],
    ['SCMP_ACT_NOTIFY', undefined, 0x7fc00000],
    ['SCMP_ACT_ALLOW', undefined, ALLOW],
  ]
  for (const [action, errnoRet, value] of cases) {
    const rule = { names: ['read'], action, ...(errnoRet === undefined ? {} : { errnoRet }) }
    const program = compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }, { arch: 'x86_64' })
    assert.equal(ask(program, 'x86_64', 'read'), value, action)
    assert.equal(ask(program, 'x86_64', 'write'), ALLOW)
  }
})

test('argument operators compare 64 bits, and 32 on 32-bit ABIs', () => {
  const edge = 0x1_0000_0005
  const asked = [0n, 4n, 5n, 6n, 0x1_0000_0004n, 0x1_0000_0005n, 0x1_0000_0006n, 0x2_0000_0004n, 0xffff_ffff_ffff_ffffn]
  const holds: Record<string, (argument: bigint, value: bigint) => boolean> = {
    SCMP_CMP_EQ: (argument, value) => argument === value,
    SCMP_CMP_NE: (argument, value) => argument !== value,
    SCMP_CMP_LT: (argument, value) => argument < value,
    SCMP_CMP_LE: (argument, value) => argument <= value,
    SCMP_CMP_GT: (argument, value) => argument > value,
    SCMP_CMP_GE: (argument, value) => argument >= value,
  }
  const low = (value: bigint): bigint => value & 0xffff_ffffn
  for (const [op, check] of Object.entries(holds)) {
    const program = compileSeccomp(oneCondition(op, edge), { arch: 'x86_64' })
    for (const argument of asked) {
      const wide = check(argument, BigInt(edge)) ? ALLOW : ERRNO | EPERM
      assert.equal(ask(program, 'x86_64', 'fcntl', 0n, 0n, argument), wide, `${op} ${argument}`)
      const narrow = check(low(argument), low(BigInt(edge))) ? ALLOW : ERRNO | EPERM
      assert.equal(ask(program, 'i386', 'fcntl', 0n, 0n, argument), narrow, `${op} ${argument} on i386`)
    }
  }
})

test('a masked comparison looks only at the bits of the mask', () => {
  const program = compileSeccomp(oneCondition('SCMP_CMP_MASKED_EQ', 0xf_0000_00f0, 0x3_0000_0013), { arch: 'x86_64' })
  const cases: [bigint, boolean][] = [
    [0x3_0000_0010n, true],
    [0xff3_1234_5f2fn, false],
    [0xff3_1234_5f1fn, true],
    [0x2_0000_0010n, false],
    [0x10n, false],
  ]
  for (const [argument, allowed] of cases)
    assert.equal(ask(program, 'x86_64', 'fcntl', 0n, 0n, argument) === ALLOW, allowed, argument.toString(16))
})

test('the largest 64-bit value survives its way through JSON', () => {
  const value = JSON.parse('18446744073709551615') as number
  const program = compileSeccomp(oneCondition('SCMP_CMP_EQ', value), { arch: 'x86_64' })
  assert.equal(ask(program, 'x86_64', 'fcntl', 0n, 0n, 0xffff_ffff_ffff_ffffn), ALLOW)
  assert.equal(ask(program, 'x86_64', 'fcntl', 0n, 0n, 0xffff_ffff_ffff_fffen), ERRNO | EPERM)
})

test('conditions on several arguments must all hold, on the same argument one is enough', () => {
  const rule = (first: number, second: number): SeccompSpec => ({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [
      {
        names: ['socket'],
        action: 'SCMP_ACT_ALLOW',
        args: [
          { index: first, value: 2, op: 'SCMP_CMP_EQ' },
          { index: second, value: 3, op: 'SCMP_CMP_EQ' },
        ],
      },
    ],
  })
  const both = compileSeccomp(rule(0, 1), { arch: 'x86_64' })
  assert.equal(ask(both, 'x86_64', 'socket', 2n, 3n), ALLOW)
  assert.equal(ask(both, 'x86_64', 'socket', 2n, 2n), ERRNO | EPERM)
  assert.equal(ask(both, 'x86_64', 'socket', 3n, 3n), ERRNO | EPERM)
  const either = compileSeccomp(rule(0, 0), { arch: 'x86_64' })
  for (const [family, allowed] of [
    [2n, true],
    [3n, true],
    [4n, false],
  ] as const)
    assert.equal(ask(either, 'x86_64', 'socket', family) === ALLOW, allowed)
})

test('rules on one call are alternatives, and an unconditional one wins wherever it stands', () => {
  const args = [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }]
  const conditional: SeccompRule = { names: ['personality', 'acct'], action: 'SCMP_ACT_ALLOW', args }
  const second: SeccompRule = { names: ['personality'], action: 'SCMP_ACT_LOG', args: [{ ...args[0]!, value: 2 }] }
  const always: SeccompRule = { names: ['acct'], action: 'SCMP_ACT_TRAP' }
  for (const syscalls of [
    [conditional, second, always],
    [always, conditional, second],
  ]) {
    const program = compileSeccomp({ defaultAction: 'SCMP_ACT_ERRNO', syscalls }, { arch: 'aarch64' })
    assert.equal(ask(program, 'aarch64', 'personality', 1n), ALLOW)
    assert.equal(ask(program, 'aarch64', 'personality', 2n), 0x7ffc0000)
    assert.equal(ask(program, 'aarch64', 'personality', 3n), ERRNO | EPERM)
    assert.equal(ask(program, 'aarch64', 'acct', 1n), 0x00030000)
  }
})

test('an ABI that is not listed is killed, -1 is not', () => {
  const spec: SeccompSpec = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }],
  }
  const program = compileSeccomp(spec, { arch: 'x86_64' })
  assert.equal(ask(program, 'x86_64', 'read'), ALLOW)
  assert.equal(runFilter(program, { nr: 3, arch: AUDIT.i386 }).value, 0)
  assert.equal(runFilter(program, { nr: X32_BIT, arch: AUDIT.x32 }).value, 0)
  assert.equal(runFilter(program, { nr: 0xffffffff, arch: AUDIT.x86_64 }).value, ERRNO | EPERM)
})

test('a rule for a socket call of i386 holds behind socketcall, too, and one for ipc whatever version is asked for', () => {
  const syscalls = [
    { names: ['socket'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 16, op: 'SCMP_CMP_EQ' }] },
    { names: ['shmget'], action: 'SCMP_ACT_ERRNO' },
  ]
  const program = compileSeccomp(
    { defaultAction: 'SCMP_ACT_ALLOW', architectures: ALL_X86, syscalls },
    { arch: 'x86_64' },
  )
  assert.equal(ask(program, 'i386', 'socket', 16n), ERRNO | EPERM)
  assert.equal(ask(program, 'i386', 'socket', 17n), ALLOW)
  assert.equal(ask(program, 'i386', 'socketcall', 1n), ERRNO | EPERM) // which family is asked for can't be seen
  assert.equal(ask(program, 'i386', 'socketcall', 2n), ALLOW)
  assert.equal(ask(program, 'i386', 'shmget'), ERRNO | EPERM)
  assert.equal(ask(program, 'i386', 'ipc', 23n), ERRNO | EPERM)
  assert.equal(ask(program, 'i386', 'ipc', 0x1_0017n), ERRNO | EPERM)
  assert.equal(ask(program, 'i386', 'ipc', 22n), ALLOW)
})

test('a second door that is newer than a denying section is closed as what is newer is, and stays where others permit', () => {
  const section = (defaultAction: string, action: string): SeccompSpec => ({
    defaultAction,
    architectures: ALL_X86,
    syscalls: [{ names: ['ioctl', 'recv'], action }],
  })
  const denying = compileSeccomp(section('SCMP_ACT_ERRNO', 'SCMP_ACT_ALLOW'), { arch: 'x86_64' })
  for (const call of [10n, 18n]) assert.equal(ask(denying, 'i386', 'socketcall', call), ERRNO | ENOSYS)
  assert.equal(ask(denying, 'i386', 'ioctl'), ALLOW)
  assert.equal(ask(denying, 'i386', 'fcntl'), ERRNO | ENOSYS)
  assert.equal(ask(denying, 'i386', 'read'), ERRNO | EPERM)
  const permitting = compileSeccomp(section('SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO'), { arch: 'x86_64' })
  assert.equal(ask(permitting, 'i386', 'socketcall', 10n), ERRNO | EPERM)
  assert.equal(ask(permitting, 'i386', 'socketcall', 18n), ALLOW)
  assert.equal(ask(permitting, 'i386', 'ioctl'), ERRNO | EPERM)
  assert.equal(ask(permitting, 'i386', 'fcntl'), ALLOW)
})

test('a rule that repeats the default says nothing', () => {
  const syscalls = [
    { names: ['read'], action: 'SCMP_ACT_ERRNO' },
    { names: ['read', 'mseal'], action: 'SCMP_ACT_ALLOW' },
  ]
  const program = compileSeccomp({ defaultAction: 'SCMP_ACT_ERRNO', syscalls }, { arch: 'x86_64' })
  assert.equal(ask(program, 'x86_64', 'read'), ALLOW)
})

test('numbers newer than a profile answer ENOSYS, unless it permits by default', () => {
  const syscalls = [{ names: ['read', 'futex_waitv'], action: 'SCMP_ACT_ALLOW' }]
  const denying = compileSeccomp({ defaultAction: 'SCMP_ACT_ERRNO', syscalls }, { arch: 'x86_64' })
  assert.equal(ask(denying, 'x86_64', 'clone3'), ERRNO | EPERM)
  assert.equal(ask(denying, 'x86_64', 'fchmodat2'), ERRNO | ENOSYS)
  for (const [defaultAction, value] of [
    ['SCMP_ACT_ALLOW', ALLOW],
    ['SCMP_ACT_LOG', 0x7ffc0000],
    ['SCMP_ACT_TRACE', 0x7ff00001],
  ] as const)
    assert.equal(ask(compileSeccomp({ defaultAction, syscalls }, { arch: 'x86_64' }), 'x86_64', 'fchmodat2'), value)
})

test('jumps farther than 255 instructions arrive', () => {
  const names = ['socket', 'ioctl', 'read', 'mseal']
  const families = Array.from({ length: 60 }, (_, value) =>
    names.map((name, index) => ({
      names: [name],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: value + 100,
      args: [{ index: 0, value: value * 30 + index, op: 'SCMP_CMP_EQ' }],
    })),
  )
  const program = compileSeccomp(
    { defaultAction: 'SCMP_ACT_ALLOW', architectures: ALL_X86, syscalls: families.flat() },
    { arch: 'x86_64' },
  )
  assert.ok(program.length / 8 > 1500)
  for (const abi of ['x86_64', 'i386', 'x32'] as const)
    for (const [index, name] of names.entries())
      for (const value of [0, 30, 59]) {
        assert.equal(ask(program, abi, name, BigInt(value * 30 + index)), ERRNO | (value + 100))
        assert.equal(ask(program, abi, name, BigInt(value * 30 + index + 1)), ALLOW)
      }
})

test('calls with the same conditions share them', () => {
  const names = [...syscallNumbers('x86_64').keys()]
  const args = Array.from({ length: 6 }, (_, index) => ({ index, value: 7, op: 'SCMP_CMP_NE' }))
  const syscalls = [{ names, action: 'SCMP_ACT_ALLOW', args }]
  const program = compileSeccomp(
    { defaultAction: 'SCMP_ACT_KILL', architectures: ALL_X86, syscalls },
    { arch: 'x86_64' },
  )
  for (const abi of ['x86_64', 'i386', 'x32'] as const) {
    assert.equal(ask(program, abi, 'close', 1n, 2n, 3n, 4n, 5n, 6n), ALLOW)
    assert.equal(ask(program, abi, 'close', 1n, 2n, 3n, 4n, 5n, 7n), 0)
  }
})

test('bad profiles are refused by name', () => {
  const read = { names: ['read'], action: 'SCMP_ACT_ALLOW' }
  const cases: [SeccompSpec, RegExp][] = [
    [{ defaultAction: 'constructor' }, /string constructor is not a valid action/],
    [{ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_Z80'] }, /SCMP_ARCH_Z80 is not a valid arch/],
    [oneCondition('SCMP_CMP_ABOUT', 1), /SCMP_CMP_ABOUT is not a valid operator/],
    [oneCondition('SCMP_CMP_EQ', -1), /value -1/],
    [
      { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ ...read, args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }] }] },
      /index 6/,
    ],
    [{ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 70000 }, /70000/],
    [{ defaultAction: 'SCMP_ACT_NOTIFY' }, /SCMP_ACT_NOTIFY cannot be used as default action/],
    [
      { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['read', 'write'], action: 'SCMP_ACT_NOTIFY' }] },
      /SCMP_ACT_NOTIFY cannot be used for the write syscall/,
    ],
  ]
  for (const [spec, message] of cases) assert.throws(() => compileSeccomp(spec, { arch: 'x86_64' }), message)
  const many = Array.from({ length: 2000 }, (_, value) => ({ ...read, args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] }))
  assert.throws(
    () => compileSeccomp({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: many }, { arch: 'x86_64' }),
    /too large/,
  )
  compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_PPC64LE'] }, { arch: 'x86_64' })
})

test('a section that was compiled before gives the same program to each who asks, for each architecture its own', () => {
  const spec: SeccompSpec = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mount'], action: 'SCMP_ACT_ERRNO' }],
  }
  const first = compileSeccomp(spec, { arch: 'x86_64' })
  const other = compileSeccomp(spec, { arch: 'aarch64' })
  assert.notDeepEqual(other, first)
  const again = compileSeccomp(spec, { arch: 'x86_64' })
  assert.deepEqual(again, first)
  again.fill(0) // it is the asker's own
  assert.deepEqual(compileSeccomp(spec, { arch: 'x86_64' }), first)
  assert.deepEqual(compileSeccomp(structuredClone(spec), { arch: 'x86_64' }), first)
})
