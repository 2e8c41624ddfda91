// `ps`: the container's processes, by the host's ps(1) where a table is wanted.
import { execFileSync } from 'node:child_process'
import { Failure } from '../base/failure.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { isAlive } from '../linux/proc/process-stat.ts'
import type { Command } from './command.ts'
import { ioReason } from './io-error.ts'
import { print } from './output.ts'
import { type ContainerRecord, loadState } from './state-store.ts'

const OUTPUT_BYTES_MAX = 64 << 20

export const ps: Command = ({ settings, options, args }) => {
  const [id = '', ...given] = args
  const record = loadState(settings.root, id)
  const pids = pidsOf(record)
  switch (options.text('format') ?? 'table') {
    case 'json':
      print(`${JSON.stringify(pids.sort((a, b) => a - b))}\n`)
      return 0
    case 'table':
      print(pickRows(listAll(given.length === 0 ? ['-ef'] : given), new Set(pids)))
      return 0
    default:
      throw new Failure('invalid-argument', 'invalid format option')
  }
}

/** Without a control group only the first process is known. */
function pidsOf({ cgroup: group, pid, startTicks }: ContainerRecord): number[] {
  const cgroup = group === undefined ? undefined : reopenCgroup(group)
  if (cgroup?.exists() === true) return cgroup.pids()
  return isAlive(pid, startTicks) ? [pid] : []
}

function listAll(args: readonly string[]): string[] {
  try {
    return execFileSync('ps', args, {
      encoding: 'utf8',
      maxBuffer: OUTPUT_BYTES_MAX,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
      .split('\n')
      .filter((line) => line !== '')
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    throw new Failure('unknown', said === '' ? `ps: ${ioReason(error)}` : `ps: ${said}`, { cause: error })
  }
}

function pickRows([header = '', ...rows]: readonly string[], pids: ReadonlySet<number>): string {
  const column = header.trim().split(/\s+/).indexOf('PID')
  if (column < 0) throw new Failure('invalid-argument', "couldn't find PID field in ps output")
  const wanted = rows.filter((row) => {
    const field = row.trim().split(/\s+/)[column] ?? ''
    if (!/^\d+$/.test(field)) throw new Failure('invalid-argument', `unexpected pid ${JSON.stringify(field)}`)
    return pids.has(Number(field))
  })
  return [header, ...wanted].map((line) => `${line}\n`).join('')
}
