// Limits that make no sense are refused, limits that this kernel has no controller for are dropped with a warning: in Docker's words and order. Also for `update`.
import type { Resources } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'

/** What the host's control groups can set. */
export interface ResourceControls {
  memory: boolean
  swap: boolean
  memoryReservation: boolean
  memorySwappiness: boolean
  kernelMemory: boolean
  oomKillDisable: boolean
  pids: boolean
  cpuQuota: boolean
  cpuShares: boolean
  cpuRealtime: boolean
  cpuset: boolean
  blkioWeight: boolean
  blkioWeightDevice: boolean
  blkioThrottle: boolean
}

export interface ResourceFacts {
  /** Indexes of the processors that are online, and of the memory nodes. */
  cpus: readonly number[]
  memoryNodes: readonly number[]
  controls: ResourceControls
}

const MEMORY_MIN = 6 << 20
const NANO = 1e9
const NOT_MOUNTED = 'or the cgroup is not mounted.'

/** Throws Failure('invalid-argument'). Returns warnings; what cannot hold is gone from `resources`. An update may name swap alone. */
export function validateResources(resources: Resources, facts: ResourceFacts, isUpdate = false): string[] {
  const warnings: string[] = []
  const discard = (isPossible: boolean, keys: readonly (keyof Resources)[], text: string) => {
    const given = keys.filter((key) => isSet(resources[key]))
    if (isPossible || given.length === 0) return
    for (const key of keys)
      if (Array.isArray(resources[key])) Object.assign(resources, { [key]: [] })
      else delete resources[key]
    warnings.push(text)
  }
  checkMemory(resources, facts.controls, discard, isUpdate)
  checkOom(resources, facts.controls, warnings)
  discard(
    facts.controls.pids || (resources.PidsLimit ?? 0) <= 0,
    ['PidsLimit'],
    `Your kernel does not support PIDs limit capabilities ${NOT_MOUNTED} PIDs limit discarded.`,
  )
  checkCpu(resources, facts, discard)
  checkBlockIo(resources, facts.controls, discard)
  return warnings
}

type Discard = (isPossible: boolean, keys: readonly (keyof Resources)[], text: string) => void

/** Zero, an empty text and an empty list say nothing. */
function isSet(value: Resources[keyof Resources]): boolean {
  if (Array.isArray(value)) return value.length > 0
  return value !== undefined && value !== null && value !== 0 && value !== ''
}

function checkMemory(resources: Resources, controls: ResourceControls, discard: Discard, isUpdate: boolean): void {
  if (resources.MemorySwappiness === -1) delete resources.MemorySwappiness // how old clients say "not set"
  if ((resources.Memory ?? 0) !== 0 && (resources.Memory ?? 0) < MEMORY_MIN)
    refuse('Minimum memory limit allowed is 6MB')
  discard(
    controls.memory || !isSet(resources.Memory),
    ['Memory', 'MemorySwap'],
    `Your kernel does not support memory limit capabilities ${NOT_MOUNTED} Limitation discarded.`,
  )
  if ((resources.Memory ?? 0) > 0 && resources.MemorySwap !== -1 && !controls.swap) {
    resources.MemorySwap = 1
    discard(
      false,
      ['MemorySwap'],
      `Your kernel does not support swap limit capabilities ${NOT_MOUNTED} Memory limited without swap.`,
    )
    resources.MemorySwap = -1
  }
  const { Memory: memory = 0, MemorySwap: swap = 0 } = resources
  if (memory > 0 && swap > 0 && swap < memory)
    refuse('Minimum memoryswap limit should be larger than memory limit, see usage')
  if (memory === 0 && swap > 0 && !isUpdate)
    refuse('You should always set the Memory limit when using Memoryswap limit, see usage')
  discard(
    controls.memorySwappiness || resources.MemorySwappiness == null,
    ['MemorySwappiness'],
    `Your kernel does not support memory swappiness capabilities ${NOT_MOUNTED} Memory swappiness discarded.`,
  )
  const swappiness = resources.MemorySwappiness ?? 0
  if (swappiness < 0 || swappiness > 100) refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`)
  checkReservation(resources, controls, discard)
}

function checkReservation(resources: Resources, controls: ResourceControls, discard: Discard): void {
  discard(
    controls.memoryReservation,
    ['MemoryReservation'],
    `Your kernel does not support memory soft limit capabilities ${NOT_MOUNTED} Limitation discarded.`,
  )
  const { Memory: memory = 0, MemoryReservation: reservation = 0 } = resources
  if (reservation > 0 && reservation < MEMORY_MIN) refuse('Minimum memory reservation allowed is 6MB')
  if (memory > 0 && reservation > 0 && memory < reservation)
    refuse('Minimum memory limit can not be less than memory reservation limit, see usage')
  discard(
    controls.kernelMemory,
    ['KernelMemory'],
    `Your kernel does not support kernel memory limit capabilities ${NOT_MOUNTED} Limitation discarded.`,
  )
  const kernelMemory = resources.KernelMemory ?? 0
  if (kernelMemory > 0 && kernelMemory < MEMORY_MIN) refuse('Minimum kernel memory limit allowed is 6MB')
}

function checkOom(resources: Resources, controls: ResourceControls, warnings: string[]): void {
  if (resources.OomKillDisable !== true) return
  if (!controls.oomKillDisable) {
    resources.OomKillDisable = null
    warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.')
  } else if (!isSet(resources.Memory))
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    )
}

function checkCpu(resources: Resources, { cpus, memoryNodes, controls }: ResourceFacts, discard: Discard): void {
  const { NanoCpus: nano = 0 } = resources
  if (nano > 0 && (resources.CpuPeriod ?? 0) > 0)
    refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set')
  if (nano > 0 && (resources.CpuQuota ?? 0) > 0)
    refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set')
  if (nano > 0 && !controls.cpuQuota)
    refuse('NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted')
  const count = cpus.length
  if (nano < 0 || nano > count * NANO)
    refuse(`range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`)
  discard(controls.cpuShares, ['CpuShares'], `Your kernel does not support CPU shares ${NOT_MOUNTED} Shares discarded.`)
  discard(
    controls.cpuQuota,
    ['CpuPeriod', 'CpuQuota'],
    'Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.',
  )
  const { CpuPeriod: period = 0, CpuQuota: quota = 0 } = resources
  if (period !== 0 && (period < 1000 || period > 1_000_000))
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)')
  if (quota > 0 && quota < 1000) refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)')
  discard((resources.CpuPercent ?? 0) <= 0, ['CpuPercent'], 'linux does not support CPU percent. Percent discarded.')
  discard(
    controls.cpuset,
    ['CpusetCpus', 'CpusetMems'],
    `Your kernel does not support cpuset ${NOT_MOUNTED} Cpuset discarded.`,
  )
  checkSet(resources.CpusetCpus, cpus, 'cpuset cpus', 'CPUs')
  checkSet(resources.CpusetMems, memoryNodes, 'cpuset mems', 'memory nodes')
}

function checkSet(text: string | undefined, available: readonly number[], field: string, noun: string): void {
  if (!text) return
  const wanted = parseIndexes(text)
  if (wanted === undefined) return refuse(`Invalid value ${text} for ${field}: invalid format: ${text}`)
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

const THROTTLES = [
  ['BlkioDeviceReadBps', 'BPS Block I/O read limit', 'Block I/O BPS read limit'],
  ['BlkioDeviceWriteBps', 'BPS Block I/O write limit', 'Block I/O BPS write limit'],
  ['BlkioDeviceReadIOps', 'IOPS Block read limit', 'Block I/O IOPS read limit'],
  ['BlkioDeviceWriteIOps', 'IOPS Block write limit', 'Block I/O IOPS write limit'],
] as const

function checkBlockIo(resources: Resources, controls: ResourceControls, discard: Discard): void {
  discard(
    controls.blkioWeight,
    ['BlkioWeight'],
    `Your kernel does not support Block I/O weight ${NOT_MOUNTED} Weight discarded.`,
  )
  const weight = resources.BlkioWeight ?? 0
  if (weight !== 0 && (weight < 10 || weight > 1000)) refuse('Range of blkio weight is from 10 to 1000')
  discard(
    controls.blkioWeightDevice,
    ['BlkioWeightDevice'],
    `Your kernel does not support Block I/O weight_device ${NOT_MOUNTED} Weight-device discarded.`,
  )
  for (const [key, what, discarded] of THROTTLES)
    discard(
      controls.blkioThrottle,
      [key],
      `Your kernel does not support ${what} ${NOT_MOUNTED} ${discarded} discarded.`,
    )
}

function refuse(text: string): never {
  throw new Failure('invalid-argument', text)
}
