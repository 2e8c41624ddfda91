// Kernel parameters of the namespace in which the thread is.
import { readFileSync, writeFileSync } from 'node:fs'
import { Failure, messageOf } from '../base/failure.ts'
import { hasErrno } from '../linux/kernel-error.ts'

/** @param isOptional a kernel without this parameter is no failure. */
export function writeSysctl(name: string, value: string, options: { isOptional?: boolean } = {}): void {
  try {
    writeFileSync(pathOf(name), value)
  } catch (error) {
    if (options.isOptional && hasErrno(error, 'ENOENT')) return
    throw new Failure('invalid-argument', `sysctl ${name}=${value}: ${messageOf(error)}`, { cause: error })
  }
}

/** Undefined where the kernel has no such parameter. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(pathOf(name), 'utf8').trim()
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Those of the network namespace, `net.*`; others are the runtime's business. */
export function writeSysctls(sysctls: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(sysctls)) if (/^net[./]/.test(name)) writeSysctl(name, value)
}

/**
 * sysctl(8)'s two ways of writing: whichever of `.` and `/` comes first separates, the other one belongs to names such as
 * `net/ipv4/conf/eth0.100/…`.
 */
function pathOf(name: string): string {
  const isSlashed = /^[^.]*\//.test(name)
  const parts = isSlashed ? name.split('/') : name.split('.').map((part) => part.replaceAll('/', '.'))
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0')))
    throw new Failure('invalid-argument', `invalid sysctl name: ${name}`)
  return `/proc/sys/${parts.join('/')}`
}
