// Limits that make no sense, in Docker's words. Also for `update`.
import type { Resources, Ulimit } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'

export interface ResourceFacts {
  /** Indexes of the processors that are online, and of the memory nodes. */
  cpus: readonly number[]
  memoryNodes: readonly number[]
  cgroupVersion: 1 | 2
}

const MEMORY_MIN = 6 << 20
const NANO = 1e9

/** Throws Failure('invalid-argument'); answers warnings for what is only unwise or without effect. */
export function validateResources(resources: Resources, facts: ResourceFacts): string[] {
  const warnings: string[] = []
  checkMemory(resources, facts, warnings)
  checkCpu(resources, facts)
  checkBlockIo(resources)
  for (const ulimit of resources.Ulimits ?? []) checkUlimit(ulimit)
  return warnings
}

function checkMemory(resources: Resources, facts: ResourceFacts, warnings: string[]): void {
  const { Memory: memory = 0, MemorySwap: swap = 0, MemoryReservation: reservation = 0, MemorySwappiness } = resources
  if (memory !== 0 && memory < MEMORY_MIN) refuse('Minimum memory limit allowed is 6MB')
  if (memory > 0 && swap > 0 && swap < memory)
    refuse('Minimum memoryswap limit should be larger than memory limit, see usage')
  if (memory === 0 && swap > 0) refuse('You should always set the Memory limit when using Memoryswap limit, see usage')
  const swappiness = MemorySwappiness ?? -1
  if (swappiness < -1 || swappiness > 100)
    refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`)
  if (swappiness >= 0 && facts.cgroupVersion === 2)
    warnings.push(
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    )
  if (reservation !== 0 && reservation < MEMORY_MIN) refuse('Minimum memory reservation allowed is 6MB')
  if (memory > 0 && reservation > 0 && memory < reservation)
    refuse('Minimum memory limit can not be less than memory reservation limit, see usage')
  if (resources.OomKillDisable !== true) return
  if (facts.cgroupVersion === 2) warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.')
  else if (memory === 0)
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    )
}

function checkCpu(resources: Resources, facts: ResourceFacts): void {
  const { NanoCpus: nano = 0, CpuPeriod: period = 0, CpuQuota: quota = 0, CpuShares: shares = 0 } = resources
  if (nano > 0 && period > 0) refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set')
  if (nano > 0 && quota > 0) refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set')
  const count = facts.cpus.length
  if (nano < 0 || nano > count * NANO)
    refuse(`Range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`)
  if (shares < 0) refuse(`invalid CPU shares (${shares}): value must be a positive integer`)
  if (period !== 0 && (period < 1000 || period > 1_000_000))
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)')
  if (quota > 0 && quota < 1000) refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)')
  checkSet(resources.CpusetCpus, facts.cpus, 'cpuset cpus', 'CPUs')
  checkSet(resources.CpusetMems, facts.memoryNodes, 'cpuset mems', 'memory nodes')
}

function checkSet(text: string | undefined, available: readonly number[], field: string, noun: string): void {
  if (!text) return
  const wanted = parseIndexes(text)
  if (wanted === undefined) return refuse(`Invalid value ${text} for ${field}`)
  if (wanted.some((index) => !available.includes(index)))
    refuse(`Requested ${noun} are not available - requested ${text}, available: ${formatIndexes(available)}`)
}

const INDEX_MAX = 8192

/** `0-2,5`; undefined for what isn't that. */
export function parseIndexes(text: string): number[] | undefined {
  const indexes: number[] = []
  for (const part of text.split(',')) {
    const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? []
    if (first === undefined) return undefined
    const from = Number(first)
    const to = last === undefined ? from : Number(last)
    if (to < from || to > INDEX_MAX) return undefined
    for (let index = from; index <= to; index++) indexes.push(index)
  }
  return indexes
}

function formatIndexes(indexes: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const index of indexes) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] === index - 1) last[1] = index
    else ranges.push([index, index])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

function checkBlockIo(resources: Resources): void {
  const weight = resources.BlkioWeight ?? 0
  if (weight !== 0 && (weight < 10 || weight > 1000)) refuse('Range of blkio weight is from 10 to 1000')
  if ((resources.IOMaximumBandwidth ?? 0) !== 0)
    refuse('invalid QoS settings: linux does not support Maximum IO Bandwidth')
  if ((resources.IOMaximumIOps ?? 0) !== 0) refuse('invalid QoS settings: linux does not support Maximum IO IOps')
}

const ULIMITS =
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' ')

function checkUlimit({ Name: name = '', Soft: soft = 0, Hard: hard = 0 }: Ulimit): void {
  if (!ULIMITS.includes(name)) refuse(`invalid ulimit type: ${name}`)
  if (hard !== -1 && (soft === -1 || soft > hard))
    refuse(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`)
}

function refuse(text: string): never {
  throw new Failure('invalid-argument', text)
}
