// criu for tests: the real one where it works on this kernel, and fake-criu.ts, which always does.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.ts'
import { findProgram } from './runtime.ts'
import { ROOT } from './root.ts'

export interface FakeCriu {
  /** For PATH: a directory that has a `criu`. */
  folder: string
  program: string
  env: Record<string, string>
  /** What it was asked and how its notifications were answered, since the last call. */
  takeNotes(): Record<string, unknown>[]
  /** The same as text, and they stay. */
  peekNotes(): string
}

export function makeFakeCriu(directory: string): FakeCriu {
  const folder = join(directory, 'fake-criu')
  mkdirSync(folder, { recursive: true })
  const program = join(folder, 'criu')
  writeFileSync(
    program,
    `#!/bin/sh\nexec ${process.execPath} ${join(ROOT, 'build/js/test/harness/fake-criu.js')} "$@"\n`,
  )
  chmodSync(program, 0o755)
  const notes = join(folder, 'notes')
  return {
    folder,
    program,
    env: { FAKE_CRIU_DIRECTORY: folder, PATH: `${folder}:${process.env['PATH'] ?? ''}` },
    peekNotes: () => (existsSync(notes) ? readFileSync(notes, 'utf8') : ''),
    takeNotes() {
      if (!existsSync(notes)) return []
      const lines = readFileSync(notes, 'utf8').trim().split('\n')
      rmSync(notes)
      return lines.map((line): Record<string, unknown> => JSON.parse(line))
    },
  }
}

/** For a test's `skip`: false where the real criu works. It knows a kernel's vdso by its layout: an old criu fails on a new kernel. */
export async function skipWithoutCriu(): Promise<string | false> {
  const criu = findProgram('criu')
  if (criu === undefined) return 'not installed: criu'
  const { code, stderr } = await run([criu, 'check'])
  return code === 0 ? false : `criu does not work on this kernel: ${stderr.split('\n')[0] ?? ''}`
}
