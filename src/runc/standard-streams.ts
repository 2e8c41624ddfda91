// What a process has for its standard streams, in the kernel's words: `/dev/null`, `pipe:[4711]`, `/dev/pts/0`.
import { readlinkSync } from 'node:fs'
import { hasErrno } from '../linux/kernel-error.ts'

export function readStandardStreams(pid: number | 'self'): string[] {
  return [0, 1, 2].map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch (error) {
      // It was started without that one, or has ended.
      if (hasErrno(error, 'ENOENT')) return ''
      throw error
    }
  })
}
