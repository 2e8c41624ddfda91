// What a program's start has read of its own file: it stays mapped, some 20 MB of Node's, though hardly any of it is ever needed again.
import { readFileSync } from 'node:fs'
import { libcIntFunction } from './libc.ts'

const MADV_DONTNEED = 4
const DELAY_MS = 5_000
/** Below it a system call is worth more than the memory. */
const MAPPING_BYTES_MIN = 1n << 20n

const madvise = libcIntFunction('madvise', 'ulong', 'ulong', 'int')

/**
 * Some seconds from now, when the first requests have been served, gives back the pages of programs and libraries. They stay in the kernel's
 * page cache: what is needed again is mapped again at the price of a minor fault.
 */
export function releaseStartPagesSoon(): void {
  setTimeout(() => {
    for (const { start, end } of findReleasable(readFileSync('/proc/self/smaps', 'utf8')))
      madvise(start, end - start, MADV_DONTNEED)
  }, DELAY_MS).unref()
}

/**
 * Private read-only mappings of files, of which nothing was ever changed: of others (relocated tables, for one) the kernel would not give
 * back what they held. @param smaps `/proc/<pid>/smaps`, proc(5)
 */
export function findReleasable(smaps: string): { start: bigint; end: bigint }[] {
  const found: { start: bigint; end: bigint }[] = []
  let candidate: { start: bigint; end: bigint } | undefined
  for (const line of smaps.split('\n')) {
    const header = /^([\da-f]+)-([\da-f]+) r-([x-])p \S+ \S+ (\d+)/.exec(line)
    if (header) {
      const [, start, end, , inode] = header
      const range = { start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) }
      candidate = inode !== '0' && range.end - range.start >= MAPPING_BYTES_MIN ? range : undefined
    } else if (/^[\da-f]+-[\da-f]+ /.test(line)) candidate = undefined
    else if (candidate && /^Anonymous:\s+0 kB/.test(line)) {
      found.push(candidate)
      candidate = undefined
    }
  }
  return found
}
