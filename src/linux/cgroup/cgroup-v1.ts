// A group in each v1 hierarchy (and in the unified tree of a hybrid host, which kills as one).
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../base/failure.ts'
import { hasErrno } from '../kernel-error.ts'
import type { Kernel } from '../kernel.ts'
import type { Cgroup, CgroupEntrance, CgroupLimits, CgroupStats } from './cgroup.ts'
import {
  makeGroup,
  pidsBelow,
  readGroupFile,
  readNumber,
  readPairs,
  removeEmptyGroup,
  removeGroup,
  writeGroupFile,
} from './group-files.ts'
import type { Hierarchies } from './parse-hierarchies.ts'
import { readV1Stats } from './v1-stats.ts'
import { type V1State, writesForV1 } from './v1-writes.ts'

const FREEZE_TIMEOUT_MS = 5_000
const SIGKILL = 9

export class CgroupV1 implements Cgroup {
  readonly version = 1
  readonly path: string
  readonly #kernel: Kernel
  /** Directories by controller; several controllers may share one. */
  readonly #byController = new Map<string, string>()
  readonly #groups: readonly { name: string; directory: string }[]
  readonly #unified: string | undefined

  constructor(kernel: Kernel, hierarchies: Hierarchies, path: string) {
    this.path = path
    this.#kernel = kernel
    this.#unified = hierarchies.unified === undefined ? undefined : join(hierarchies.unified, path)
    this.#groups = hierarchies.v1.map(({ name, mountpoint }) => ({ name, directory: join(mountpoint, path) }))
    for (const { controllers, mountpoint } of hierarchies.v1)
      for (const controller of controllers) this.#byController.set(controller, join(mountpoint, path))
  }

  create(limits: CgroupLimits): void {
    const made: string[] = []
    const make = (directory: string) => {
      if (makeGroup(directory, directory === this.#byController.get('cpuset') ? inheritCpuset : undefined))
        made.push(directory)
    }
    try {
      for (const { directory } of this.#groups) make(directory)
      if (this.#unified !== undefined) make(this.#unified)
      this.update(limits)
    } catch (error) {
      for (const directory of made) removeEmptyGroup(directory)
      throw error
    }
  }

  update(limits: CgroupLimits): void {
    for (const { controller, ...write } of writesForV1(limits, this.#state(limits))) {
      const directory = this.#byController.get(controller)
      if (directory === undefined)
        throw new Failure('failed-precondition', `cgroup: controller ${controller} is not mounted, for ${write.file}`)
      writeGroupFile(directory, write)
    }
  }

  entry(): CgroupEntrance {
    return {
      steps: this.#groups.map(({ directory }) => ({
        op: 'write-file',
        // The writer itself, in whatever PID namespace it is. It has one thread, so `tasks` moves all of it as `cgroup.procs` would, but
        // without the kernel-wide lock against forks (cgroup_procs_write_start), whose first writer waits 5 to 15 ms for an RCU grace period.
        path: join(directory, 'tasks'),
        data: '0',
      })),
      directory: this.#unified,
      hierarchies: this.#groups,
    }
  }

  async freeze(): Promise<void> {
    const directory = this.#require('freezer')
    const deadline = performance.now() + FREEZE_TIMEOUT_MS
    // A task that forks while it is being frozen can leave the group at FREEZING; writing again takes the newcomers in.
    for (let waitMs = 0.5; ; waitMs = Math.min(waitMs * 2, 50)) {
      writeGroupFile(directory, { file: 'freezer.state', value: 'FROZEN' })
      if (readGroupFile(directory, 'freezer.state')?.trim() === 'FROZEN') return
      if (performance.now() > deadline) {
        writeGroupFile(directory, { file: 'freezer.state', value: 'THAWED' })
        throw new Failure('deadline-exceeded', 'unable to freeze')
      }
      await delay(waitMs)
    }
  }

  async thaw(): Promise<void> {
    writeGroupFile(this.#require('freezer'), { file: 'freezer.state', value: 'THAWED' })
  }

  isFrozen(): boolean {
    const directory = this.#byController.get('freezer')
    return directory !== undefined && readGroupFile(directory, 'freezer.state')?.trim() === 'FROZEN'
  }

  stats(): CgroupStats {
    return readV1Stats((controller) => this.#byController.get(controller), this.oomKills())
  }

  oomKills(): number {
    const directory = this.#byController.get('memory')
    return directory === undefined ? 0 : Number(readPairs(directory, 'memory.oom_control')['oom_kill'] ?? 0n)
  }

  pids(): number[] {
    return pidsBelow(this.#byController.get('pids') ?? this.#groups[0]?.directory ?? this.#unified ?? '/nowhere')
  }

  killAll(): void {
    if (this.#unified === undefined || !killByFile(this.#unified)) this.#killEach()
    // A frozen task takes its SIGKILL only when it is thawed.
    if (this.isFrozen()) void this.thaw()
  }

  async remove(): Promise<void> {
    const all = this.#groups.map(({ directory }) => directory)
    await Promise.all([...all, ...(this.#unified === undefined ? [] : [this.#unified])].map(removeGroup))
  }

  /** A fork bomb outruns one pass; each pass kills what it sees, and what is dying no longer forks. */
  #killEach(): void {
    for (let pass = 0; pass < 10; pass++) {
      const pids = this.pids()
      for (const pid of pids) {
        try {
          this.#kernel.kill(pid, SIGKILL)
        } catch (error) {
          if (!hasErrno(error, 'ESRCH')) throw error
        }
      }
      if (pids.length === 0) return
    }
  }

  #require(controller: string): string {
    const directory = this.#byController.get(controller)
    if (directory === undefined)
      throw new Failure('failed-precondition', `cgroup: controller ${controller} is not mounted`)
    return directory
  }

  /** Reads only what the given limits depend on. */
  #state(limits: CgroupLimits): V1State {
    const read = (controller: string, file: string) => {
      const directory = this.#byController.get(controller)
      return directory === undefined ? undefined : readNumber(directory, file)
    }
    const blkio = this.#byController.get('blkio')
    const hasWeight = (file: string) => blkio !== undefined && readGroupFile(blkio, file) !== undefined
    return {
      memorySwapBytesMax:
        limits.memoryBytesMax || limits.memorySwapBytesMax ? read('memory', 'memory.memsw.limit_in_bytes') : undefined,
      cpuPeriodUs: limits.cpuPeriodUs ? read('cpu', 'cpu.cfs_period_us') : undefined,
      blockIoWeightFile: limits.blockIoWeight ? ['blkio.bfq.weight', 'blkio.weight'].find(hasWeight) : undefined,
    }
  }
}

/**
 * A new cpuset is empty, and takes no process until it has processors and memory nodes: it starts with its parent's. A parent that is
 * itself empty was left so by somebody who did not get this far.
 */
function inheritCpuset(directory: string): void {
  const parent = dirname(directory)
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (readGroupFile(parent, file)?.trim() === '') inheritCpuset(parent)
    const value = readGroupFile(parent, file)?.trim()
    if (value) writeGroupFile(directory, { file, value })
  }
}

/** cgroup.kill, kernel 5.14: kills all there is at one instant. */
export function killByFile(directory: string): boolean {
  try {
    writeGroupFile(directory, { file: 'cgroup.kill', value: '1' })
    return true
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) return false
    throw error
  }
}
