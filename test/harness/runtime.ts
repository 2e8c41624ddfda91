// The OCI runtime that stands at runc's place in a test, and the runc that it is compared with.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { BIN } from './root.ts'

/** RUNTIME names another: a test that also passes with runc itself tests nothing that runc does not do. */
export const RUNTIME = process.env['RUNTIME'] ?? join(BIN, 'berth-runc')

/** Undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** For a test's `skip`: false where all programs are here, else which one is not. */
export function skipWithout(...names: string[]): string | false {
  const missing = names.filter((name) => findProgram(name) === undefined)
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`
}
