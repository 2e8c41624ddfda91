// update: POST /containers/{id}/update, for each container in turn.
import { messageOf } from '../../base/failure.ts'
import { type Command, ExitCode } from '../command.ts'
import type { Flag, FlagValues } from '../flags.ts'
import { parseRestartPolicy } from '../options/restart-policy.ts'
import { parseBytes, parseCpus, parseMemory } from '../options/values.ts'
import { containerPath } from './container-calls.ts'

const int = (name: string, usage: string, more: Partial<Flag> = {}): Flag => ({ name, kind: 'int', usage, ...more })
const text = (name: string, usage: string, more: Partial<Flag> = {}): Flag => ({
  name,
  kind: 'string',
  usage,
  ...more,
})
const bytes = (name: string, usage: string, more: Partial<Flag> = {}): Flag =>
  text(name, usage, { type: 'bytes', check: parseBytes, ...more })

const FLAGS: readonly Flag[] = [
  {
    ...{ name: 'blkio-weight', kind: 'uint', type: 'uint16', bits: 16 },
    usage: 'Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)',
  },
  int('cpu-period', 'Limit CPU CFS (Completely Fair Scheduler) period'),
  int('cpu-quota', 'Limit CPU CFS (Completely Fair Scheduler) quota'),
  int('cpu-rt-period', 'Limit the CPU real-time period in microseconds', { since: '1.25' }),
  int('cpu-rt-runtime', 'Limit the CPU real-time runtime in microseconds', { since: '1.25' }),
  int('cpu-shares', 'CPU shares (relative weight)', { short: 'c' }),
  text('cpus', 'Number of CPUs', { type: 'decimal', check: parseCpus, since: '1.29' }),
  text('cpuset-cpus', 'CPUs in which to allow execution (0-3, 0,1)'),
  text('cpuset-mems', 'MEMs in which to allow execution (0-3, 0,1)'),
  bytes('kernel-memory', 'Kernel memory limit (deprecated)', { hidden: true }),
  bytes('memory', 'Memory limit', { short: 'm' }),
  bytes('memory-reservation', 'Memory soft limit'),
  bytes('memory-swap', 'Swap limit equal to memory plus swap: -1 to enable unlimited swap', { check: parseMemory }),
  int('pids-limit', 'Tune container pids limit (set -1 for unlimited)', { since: '1.40' }),
  text('restart', 'Restart policy to apply when a container exits'),
]

export const update: Command = {
  flags: FLAGS,
  args: { min: 1 },
  async run(shell, names, flags) {
    if (FLAGS.every(({ name }) => !flags.isGiven(name)))
      throw new ExitCode(1, 'you must provide one or more flags when using this command')
    const body = updateBody(flags)
    const warnings: string[] = []
    const failures: string[] = []
    for (const name of names) {
      try {
        const path = `${containerPath(name)}/update`
        const { Warnings } = await shell.connection.json<{ Warnings: string[] | null }>({ method: 'POST', path, body })
        shell.print(`${name}\n`)
        warnings.push(...(Warnings ?? []))
      } catch (error) {
        failures.push(messageOf(error))
      }
    }
    if (warnings.length > 0) shell.print(`${warnings.join('\n')}\n`)
    if (failures.length > 0) throw new ExitCode(1, failures.join('\n'))
    return 0
  },
}

/** Zero and empty leave a limit as it is. */
function updateBody(flags: FlagValues): object {
  const size = (name: string, parse = parseBytes) => (flags.has(name) ? parse(flags.text(name) ?? '') : 0)
  const pids = flags.number('pids-limit') ?? 0
  return {
    BlkioWeight: flags.number('blkio-weight') ?? 0,
    CpuPeriod: flags.number('cpu-period') ?? 0,
    CpuQuota: flags.number('cpu-quota') ?? 0,
    CpuRealtimePeriod: flags.number('cpu-rt-period') ?? 0,
    CpuRealtimeRuntime: flags.number('cpu-rt-runtime') ?? 0,
    CpuShares: flags.number('cpu-shares') ?? 0,
    NanoCpus: flags.has('cpus') ? parseCpus(flags.text('cpus') ?? '') : 0,
    CpusetCpus: flags.text('cpuset-cpus') ?? '',
    CpusetMems: flags.text('cpuset-mems') ?? '',
    ...(flags.has('kernel-memory') ? { KernelMemory: size('kernel-memory') } : {}),
    Memory: size('memory'),
    MemoryReservation: size('memory-reservation'),
    MemorySwap: size('memory-swap', parseMemory),
    ...(pids === 0 ? {} : { PidsLimit: pids }),
    RestartPolicy: parseRestartPolicy(flags.text('restart') ?? ''),
  }
}
