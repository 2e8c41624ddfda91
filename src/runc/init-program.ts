// Where berth-init is: beside this program.
import { readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

export function initProgram(): string {
  // A moved or replaced program has " (deleted)" behind its name; its neighbour is still there.
  const self = process.versions.bun === undefined ? process.argv[1] : readlinkSync('/proc/self/exe')
  return join(dirname(self ?? ''), 'berth-init')
}
