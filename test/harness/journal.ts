// systemd's journald without systemd, with a journal of its own that lives in memory.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { eventually, must, run } from './command.ts'

const PROGRAM = '/lib/systemd/systemd-journald'
const SOCKET = '/run/systemd/journal/socket'
const MOUNTS = ['/run/systemd', '/run/log']

export interface TestJournal extends AsyncDisposable {
  /** Entries that match, as their fields. */
  entries(...matches: string[]): Promise<Record<string, string>[]>
}

/** Undefined where none is installed, or where the host's own is in the way. */
export async function startJournal(): Promise<TestJournal | undefined> {
  if (!existsSync(PROGRAM) || existsSync(SOCKET)) return undefined
  for (const path of MOUNTS) {
    mkdirSync(path, { recursive: true })
    await must(['mount', '-t', 'tmpfs', 'none', path])
  }
  const child: ChildProcess = spawn(PROGRAM, { stdio: 'ignore', env: { ...process.env, SYSTEMD_LOG_TARGET: 'null' } })
  await eventually('journald listens', 30_000, () => existsSync(SOCKET))
  return {
    async entries(...matches) {
      const { stdout } = await run([
        'journalctl',
        '-D',
        '/run/log/journal',
        '-o',
        'json',
        '--all',
        '--no-pager',
        ...matches,
      ])
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, string>]))
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) {
        const gone = once(child, 'exit')
        child.kill()
        await gone
      }
      for (const path of [...MOUNTS].reverse()) await run(['umount', '-l', path])
    },
  }
}
