// GET /containers/{id}/top: what ps on the host says of the container's processes.
import { execFile } from 'node:child_process'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { isRestarting } from './container.ts'
import { publishContainerEvent } from './publish-event.ts'

export interface ProcessTable {
  Titles: string[]
  Processes: string[][]
}

const OUTPUT_BYTES_MAX = 16 << 20
const TIME_LIMIT_MS = 10_000

export async function listProcesses(engine: Engine, container: Container, psArgs: string): Promise<ProcessTable> {
  checkArguments(psArgs)
  if (container.state.status === 'restarting') throw isRestarting(container)
  container.requireAlive()
  const { processes } = await engine.containerd.tasks.listPids({ containerId: container.id })
  const output = await runPs(psArgs.split(/\s+/).filter((word) => word !== ''))
  const table = selectProcesses(output, new Set(processes.map((each) => each.pid)))
  publishContainerEvent(engine, container, 'top')
  return table
}

/** Another column under the name of the one by which processes are found would show other containers' processes. */
export function checkArguments(psArgs: string): void {
  for (const [, key = '', value = ''] of psArgs.matchAll(/\s([^\s=]*(?:=[^\s=]*)*)=\s*(PID\S*)/g))
    if (key !== 'pid') throw new Failure('unknown', `specifying "${key}=${value}" is not allowed`)
}

function runPs(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('ps', args, { maxBuffer: OUTPUT_BYTES_MAX, timeout: TIME_LIMIT_MS }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      const firstLine = stderr.split('\n')[0]
      reject(new Failure('unknown', `ps: ${firstLine || error.message}`, { cause: error }))
    })
  })
}

/** Titles and rows of `ps`, the last column whole; rows of threads (`-`) follow their process. */
export function selectProcesses(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [head = '', ...lines] = output.split('\n')
  const titles = head.trim().split(/\s+/)
  const pidColumn = titles.indexOf('PID')
  if (pidColumn < 0) throw new Failure('unknown', "Couldn't find PID field in ps output")
  const rows: string[][] = []
  let isOurs = false
  for (const line of lines) {
    if (line.trim() === '') continue
    const fields = line.trim().split(/\s+/)
    const pid = fields[pidColumn] ?? ''
    if (pid !== '-') isOurs = pids.has(Number(pid))
    if (!isOurs) continue
    const last = titles.length - 1
    rows.push([...fields.slice(0, last), fields.slice(last).join(' ')])
  }
  return { Titles: titles, Processes: rows }
}
