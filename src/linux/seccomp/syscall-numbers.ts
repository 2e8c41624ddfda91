// System call numbers by name, for every ABI that a program on a supported machine can speak.
import { SYSCALLS as AARCH64 } from '../../gen/syscalls-aarch64.ts'
import { SYSCALLS as I386 } from '../../gen/syscalls-i386.ts'
import { SYSCALLS as X32 } from '../../gen/syscalls-x32.ts'
import { SYSCALLS as X86_64 } from '../../gen/syscalls-x86-64.ts'

export type SyscallAbi = 'x86_64' | 'i386' | 'x32' | 'aarch64'

/** Marks an x32 call in the number that the kernel and a filter see. */
export const X32_BIT = 0x4000_0000

const TEXTS: Readonly<Record<SyscallAbi, string>> = { x86_64: X86_64, i386: I386, x32: X32, aarch64: AARCH64 }
const parsed = new Map<SyscallAbi, ReadonlyMap<string, number>>()

/** Numbers by name; those of x32 without X32_BIT. Parsed on first use and kept. */
export function syscallNumbers(abi: SyscallAbi): ReadonlyMap<string, number> {
  const known = parsed.get(abi)
  if (known !== undefined) return known
  const numbers = parseNumbers(TEXTS[abi])
  parsed.set(abi, numbers)
  return numbers
}

function parseNumbers(text: string): Map<string, number> {
  const numbers = new Map<string, number>()
  let next = 0
  for (const word of text.trim().split(/\s+/)) {
    if (word.startsWith('=')) next = Number(word.slice(1))
    else numbers.set(word, next++)
  }
  return numbers
}
