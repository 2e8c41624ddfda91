// A group in the unified hierarchy.
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../base/failure.ts'
import { hasErrno } from '../kernel-error.ts'
import type { Kernel } from '../kernel.ts'
import { attachDeviceProgram } from './attach-device-program.ts'
import type { Cgroup, CgroupEntrance, CgroupLimits, CgroupStats } from './cgroup.ts'
import { killByFile } from './cgroup-v1.ts'
import { compileDeviceProgram, decideDevices } from './device-program.ts'
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
import { readV2Stats } from './v2-stats.ts'
import { type V2State, writesForV2 } from './v2-writes.ts'

const FREEZE_TIMEOUT_MS = 5_000
const CONTROLLERS = ['cpu', 'cpuset', 'io', 'memory', 'pids']

export class CgroupV2 implements Cgroup {
  readonly version = 2
  readonly path: string
  readonly #kernel: Kernel
  readonly #mountpoint: string
  readonly #directory: string

  constructor(kernel: Kernel, mountpoint: string, path: string) {
    this.path = path
    this.#kernel = kernel
    this.#mountpoint = mountpoint
    this.#directory = join(mountpoint, path)
  }

  create(limits: CgroupLimits): void {
    const made = makeGroup(this.#directory)
    try {
      this.#delegate(dirname(this.#directory))
      this.update(limits)
    } catch (error) {
      if (made) removeEmptyGroup(this.#directory)
      throw error
    }
  }

  update(limits: CgroupLimits): void {
    for (const write of writesForV2(limits, this.#state(limits))) {
      try {
        writeGroupFile(this.#directory, write)
      } catch (error) {
        if (!hasErrno(error, 'ENOENT')) throw error
        if (write.file === 'memory.swap.max') continue // swap is not accounted: there is nothing to hold back
        throw new Failure('failed-precondition', `cgroup: no ${write.file}: its controller is not available`)
      }
    }
    if (limits.devices !== undefined)
      attachDeviceProgram(this.#kernel, this.#directory, compileDeviceProgram(decideDevices(limits.devices)))
  }

  entry(): CgroupEntrance {
    return { steps: [], directory: this.#directory, hierarchies: [] }
  }

  async freeze(): Promise<void> {
    writeGroupFile(this.#directory, { file: 'cgroup.freeze', value: '1' })
    const deadline = performance.now() + FREEZE_TIMEOUT_MS
    for (let waitMs = 0.5; !this.isFrozen(); waitMs = Math.min(waitMs * 2, 50)) {
      if (performance.now() > deadline) {
        await this.thaw()
        throw new Failure('deadline-exceeded', 'unable to freeze')
      }
      await delay(waitMs)
    }
  }

  async thaw(): Promise<void> {
    writeGroupFile(this.#directory, { file: 'cgroup.freeze', value: '0' })
  }

  isFrozen(): boolean {
    return readPairs(this.#directory, 'cgroup.events')['frozen'] === 1n
  }

  stats(): CgroupStats {
    return readV2Stats(this.#directory, this.oomKills())
  }

  oomKills(): number {
    return Number(readPairs(this.#directory, 'memory.events')['oom_kill'] ?? 0n)
  }

  pids(): number[] {
    return pidsBelow(this.#directory)
  }

  killAll(): void {
    if (killByFile(this.#directory)) return
    for (const pid of this.pids()) {
      try {
        this.#kernel.kill(pid, 9)
      } catch (error) {
        if (!hasErrno(error, 'ESRCH')) throw error
      }
    }
  }

  async remove(): Promise<void> {
    await removeGroup(this.#directory)
  }

  /** A group has the controllers that its parent passes on, and so up to the root. */
  #delegate(parent: string): void {
    if (!parent.startsWith(this.#mountpoint)) return
    const available = new Set((readGroupFile(parent, 'cgroup.controllers') ?? '').trim().split(' '))
    const passedOn = new Set((readGroupFile(parent, 'cgroup.subtree_control') ?? '').trim().split(' '))
    const wanted = CONTROLLERS.filter((name) => !passedOn.has(name))
    if (wanted.length === 0) return
    if (parent !== this.#mountpoint && wanted.some((name) => !available.has(name))) this.#delegate(dirname(parent))
    const now = new Set((readGroupFile(parent, 'cgroup.controllers') ?? '').trim().split(' '))
    for (const name of wanted.filter((controller) => now.has(controller)))
      writeGroupFile(parent, { file: 'cgroup.subtree_control', value: `+${name}` })
  }

  /** Reads only what the given limits depend on. */
  #state(limits: CgroupLimits): V2State {
    const hasFile = (file: string) => readGroupFile(this.#directory, file) !== undefined
    return {
      memoryBytesMax: limits.memorySwapBytesMax ? readNumber(this.#directory, 'memory.max') : undefined,
      cpuMax: limits.cpuPeriodUs || limits.cpuQuotaUs ? readGroupFile(this.#directory, 'cpu.max') : undefined,
      ioWeightFile: limits.blockIoWeight ? ['io.bfq.weight', 'io.weight'].find(hasFile) : undefined,
    }
  }
}
