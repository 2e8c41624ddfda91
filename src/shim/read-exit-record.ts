// The exit records that a shim leaves in its bundle; they tell what happened where no shim is left to ask.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProcessExit, ProcessName } from './shim.ts'

/** Undefined where the process has left no (whole) record. */
export async function readExitRecord(bundle: string, process: ProcessName): Promise<ProcessExit | undefined> {
  try {
    return parseExitRecord(await readFile(join(bundle, `exit-${process}`), 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** `<code> <signal> <seconds>.<nanoseconds>\n` */
export function parseExitRecord(text: string): ProcessExit | undefined {
  const match = /^(\d{1,3}) \d{1,2} (\d{1,15})\.(\d{9})\n$/.exec(text)
  if (!match) return undefined
  return { code: Number(match[1]), exitedAtNs: BigInt(`${match[2]}${match[3]}`) }
}
