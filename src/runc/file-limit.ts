// The runtime below us raises the soft limit of open files to the hard one at its start; a container is to inherit its caller's.
import { readFileSync } from 'node:fs'
import { libcIntFunction } from '../linux/libc.ts'

const prlimit = libcIntFunction('prlimit', 'int', 'int', 'ptr', 'ptr')
const RLIMIT_NOFILE = 7

/** Sets our own soft limit to what the caller's is, as far as that can be known: it has the same hard limit, and a lower soft one. */
export function restoreFileLimit(): void {
  const [own, callers] = [readLimit(process.pid), readLimit(process.ppid)]
  if (own === undefined || callers === undefined) return
  if (callers.hard !== own.hard || callers.soft >= own.soft) return
  // Failing leaves the limit as it is, which harms nobody.
  prlimit(0, RLIMIT_NOFILE, new Uint8Array(new BigUint64Array([callers.soft, own.hard]).buffer), null)
}

function readLimit(pid: number): { soft: bigint; hard: bigint } | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/limits`, 'utf8')
  } catch {
    return undefined // the caller is another user's, or has gone
  }
  const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(text) ?? []
  return soft === undefined || hard === undefined ? undefined : { soft: BigInt(soft), hard: BigInt(hard) }
}
