// What libseccomp makes of a seccomp section when it is asked in runc's way: redundant rules left out, two conditions on one
// argument as two rules.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { SeccompRule, SeccompSpec } from '../../src/oci/runtime-spec.ts'
import { returnValue } from '../../src/linux/seccomp/actions.ts'
import type { SyscallAbi } from '../../src/linux/seccomp/syscall-numbers.ts'
import { must } from './command.ts'
import { ROOT } from './root.ts'

export const AUDIT = { x86_64: 0xc000_003e, x86: 0x4000_0003, x32: 0xc000_003e, aarch64: 0xc000_00b7 } as const
export type Arch = keyof typeof AUDIT
export const ARCHES: readonly Arch[] = ['x86_64', 'x86', 'x32', 'aarch64']
/** Our names of the same. */
export const ABI: Record<Arch, SyscallAbi> = { x86_64: 'x86_64', x86: 'i386', x32: 'x32', aarch64: 'aarch64' }
const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`)

const FAILED = 0xffff_ffff

/** Numbers by architecture and name, those of x32 with their bit, as libseccomp has them: negative for what an architecture hasn't. */
export type NumberTable = ReadonlyMap<Arch, ReadonlyMap<string, number>>

export async function buildLibseccomp(directory: string): Promise<string> {
  const program = join(directory, 'libseccomp')
  await must(['cc', '-O1', '-o', program, join(ROOT, 'test/harness/libseccomp.c'), '-lseccomp'])
  return program
}

export async function numbersOf(program: string, names: readonly string[]): Promise<NumberTable> {
  const tables = ARCHES.map(async (arch) => {
    const text = (await talk(program, `names ${arch} ${names.join(' ')}\n`)).toString()
    const rows = text
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
    return [arch, new Map(rows.map(([name = '', number]) => [name, Number(number)]))] as const
  })
  return new Map(await Promise.all(tables))
}

/** libseccomp's programs for these sections, in their order; a number where it refuses, its errno. */
export async function compileAll(
  program: string,
  specs: readonly SeccompSpec[],
  arches: (spec: SeccompSpec) => readonly Arch[],
): Promise<(Uint8Array | number)[]> {
  const bytes = await talk(program, specs.map((spec) => describe(spec, arches(spec))).join(''))
  const results: (Uint8Array | number)[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32LE(at)
    if (size === FAILED) {
      results.push(bytes.readUInt32LE(at + 4))
      at += 8
    } else {
      results.push(bytes.subarray(at + 4, at + 4 + size))
      at += 4 + size
    }
  }
  return results
}

/** The architectures of a section and the machine's own. */
export function listed(spec: SeccompSpec, native: Arch): Arch[] {
  const names = (spec.architectures ?? []).map((name) => name.replace('SCMP_ARCH_', '').toLowerCase())
  return ARCHES.filter((arch) => arch === native || names.includes(arch))
}

/** Whether runc puts ENOSYS for newer calls before the filter. */
export function hasStub(spec: SeccompSpec): boolean {
  return (
    !['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'].includes(spec.defaultAction) && spec.defaultErrnoRet !== 38
  )
}

/** libseccomp's actions are the kernel's values; only what kills a thread is a zero there, too. */
function describe(spec: SeccompSpec, arches: readonly Arch[]): string {
  const otherwise = returnValue(spec.defaultAction, spec.defaultErrnoRet)
  const lines = [`filter ${otherwise} ${(spec.syscalls ?? []).length > 32 ? 2 : 1} ${arches.join(' ')}`]
  for (const rule of spec.syscalls ?? []) {
    const action = returnValue(rule.action, rule.errnoRet)
    if (action === otherwise) continue // redundant, and libseccomp would refuse it
    for (const name of rule.names)
      for (const checks of alternatives(rule)) lines.push(`rule ${action} ${name}${checks}`)
  }
  return `${lines.join('\n')}\nend\n`
}

function alternatives({ args = [] }: SeccompRule): string[] {
  const checks = args.map(
    ({ index, op, value, valueTwo = 0 }) =>
      ` ${index} ${OPERATORS.indexOf(op) + 1} ${BigInt(value)} ${BigInt(valueTwo)}`,
  )
  return new Set(args.map(({ index }) => index)).size === args.length ? [checks.join('')] : checks
}

function talk(program: string, input: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? resolve(Buffer.concat(chunks)) : reject(new Error(`${program}: exit ${code}`)),
    )
    child.stdin.end(input)
  })
}
