// Cgroup limits of a runtime spec from the resources of HostConfig. What isn't limited is left out. Also used by `update`.
import type { Resources, ThrottleRate } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import type { ResourcesSpec, ThrottleDevice } from '../../../oci/runtime-spec.ts'
import type { HostDevice } from './spec-input.ts'

const CPU_PERIOD_US = 100_000
const NANO = 1_000_000_000

export function buildResources(resources: Resources, findDevices: (path: string) => HostDevice[]): ResourcesSpec {
  const memory = buildMemory(resources)
  const cpu = buildCpu(resources)
  const blockIO = buildBlockIo(resources, findDevices)
  return {
    ...(isEmpty(memory) ? {} : { memory }),
    ...(isEmpty(cpu) ? {} : { cpu }),
    ...((resources.PidsLimit ?? 0) > 0 ? { pids: { limit: resources.PidsLimit ?? 0 } } : {}),
    ...(isEmpty(blockIO) ? {} : { blockIO }),
  }
}

function buildMemory(resources: Resources): NonNullable<ResourcesSpec['memory']> {
  const {
    Memory: limit = 0,
    MemoryReservation: reservation = 0,
    MemorySwap: swap = 0,
    MemorySwappiness: swappiness,
    KernelMemory: kernel = 0,
    KernelMemoryTCP: kernelTCP = 0,
  } = resources
  return {
    ...(limit > 0 ? { limit } : {}),
    ...(reservation > 0 ? { reservation } : {}),
    ...(swap !== 0 ? { swap } : {}),
    // Old kernels' words; runtimes pass over them where the kernel has given them up.
    ...(kernel > 0 ? { kernel } : {}),
    ...(kernelTCP > 0 ? { kernelTCP } : {}),
    // -1 is how old clients say "not set".
    ...(swappiness != null && swappiness !== -1 ? { swappiness } : {}),
    ...(resources.OomKillDisable === true ? { disableOOMKiller: true } : {}),
  }
}

function buildCpu(resources: Resources): NonNullable<ResourcesSpec['cpu']> {
  const { CpuShares: shares = 0, NanoCpus: nano = 0, CpusetCpus: cpus = '', CpusetMems: mems = '' } = resources
  const period = nano > 0 ? CPU_PERIOD_US : (resources.CpuPeriod ?? 0)
  const quota = nano > 0 ? Math.floor((nano * CPU_PERIOD_US) / NANO) : (resources.CpuQuota ?? 0)
  const { CpuRealtimePeriod: realtimePeriod = 0, CpuRealtimeRuntime: realtimeRuntime = 0 } = resources
  return {
    ...(shares > 0 ? { shares } : {}),
    ...(quota !== 0 ? { quota } : {}),
    ...(period !== 0 ? { period } : {}),
    ...(cpus === '' ? {} : { cpus }),
    ...(mems === '' ? {} : { mems }),
    ...(realtimePeriod !== 0 ? { realtimePeriod } : {}),
    ...(realtimeRuntime !== 0 ? { realtimeRuntime } : {}),
  }
}

function buildBlockIo(
  resources: Resources,
  findDevices: (path: string) => HostDevice[],
): NonNullable<ResourcesSpec['blockIO']> {
  const number = (path: string): { major: number; minor: number } => {
    const device = findDevices(path).find((each) => each.path === path)
    if (device === undefined) throw new Failure('invalid-argument', `stat ${path}: no such file or directory`)
    return { major: device.major, minor: device.minor }
  }
  const throttle = <K extends string>(
    key: K,
    rates: ThrottleRate[] | null | undefined,
  ): { [P in K]?: ThrottleDevice[] } =>
    rates == null || rates.length === 0
      ? {}
      : ({ [key]: rates.map(({ Path = '', Rate = 0 }) => ({ ...number(Path), rate: Rate })) } as {
          [P in K]: ThrottleDevice[]
        })
  const weights = (resources.BlkioWeightDevice ?? []).map(({ Path = '', Weight = 0 }) => ({
    ...number(Path),
    weight: Weight,
  }))
  return {
    ...((resources.BlkioWeight ?? 0) > 0 ? { weight: resources.BlkioWeight ?? 0 } : {}),
    ...(weights.length === 0 ? {} : { weightDevice: weights }),
    ...throttle('throttleReadBpsDevice', resources.BlkioDeviceReadBps),
    ...throttle('throttleWriteBpsDevice', resources.BlkioDeviceWriteBps),
    ...throttle('throttleReadIOPSDevice', resources.BlkioDeviceReadIOps),
    ...throttle('throttleWriteIOPSDevice', resources.BlkioDeviceWriteIOps),
  }
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0
}
