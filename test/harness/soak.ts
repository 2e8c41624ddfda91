// What the soak tests share: a mark by which their containers are known, what these may leave behind, and work done a few at a time.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { must, run } from './command.ts'

/** Two cores: more workers only wait for each other. */
const WORKERS = 4

/** One test file's containers: their first process is `sleep <mark>`, their ids begin with `prefix`, their files are in `directory`. */
export interface Soak {
  /** Seconds that nobody else sleeps, so that the processes are known by their command line. */
  mark: string
  /** Control groups are named after ids. */
  prefix: string
  directory: string
}

export function makeSoak(directory: string): Soak {
  return { mark: String(10_000_000 + process.pid), prefix: `soak-${process.pid}-`, directory }
}

/** Processes of the containers and of whoever was told of the directory. */
export function processesOf({ mark, directory }: Soak): { pid: number; command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return []
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return command.includes(mark) || command.includes(`${directory}/`) ? [{ pid: Number(name), command }] : []
    } catch {
      return [] // it ended while we looked
    }
  })
}

/** Whatever a container may leave, in words. */
export async function listSoakLeavings(soak: Soak, directories: readonly string[]): Promise<string[]> {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const groups = await must(['sh', '-c', `find /sys/fs/cgroup -type d -name '${soak.prefix}*' 2>/dev/null || true`])
  return [
    ...processesOf(soak).map(({ command }) => `process ${command}`),
    ...mounts
      .filter((line) => line.includes(soak.directory) || line.includes(' - nsfs '))
      .map((line) => `mount ${line}`),
    ...groups
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `cgroup ${line}`),
    ...directories
      .filter((path) => existsSync(path))
      .flatMap((path) => readdirSync(path).map((name) => `file ${path}/${name}`)),
  ].sort()
}

/** After a failed test: nothing of it stays. */
export async function endSoak(soak: Soak): Promise<void> {
  for (const { pid } of processesOf(soak))
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has gone by itself.
    }
  await run(['find', '/sys/fs/cgroup', '-depth', '-type', 'd', '-name', `${soak.prefix}*`, '-exec', 'rmdir', '{}', ';'])
}

/** Runs `work` for `from` to `to` - 1, a few at a time. */
export async function spread(from: number, to: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = from
  const worker = async () => {
    while (next < to) await work(next++)
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
}
