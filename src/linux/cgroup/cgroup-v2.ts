// A group in the unified hierarchy.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { Failure, messageOf, withSubject } from '../../base/failure.ts'
import { hasErrno } from '../kernel-error.ts'
import type { Kernel } from '../kernel.ts'
import { attachDeviceProgram } from './attach-device-program.ts'
import type { Cgroup, CgroupEntrance, CgroupLimits, CgroupRecord, Subgroups } from './cgroup.ts'
import type { CgroupStats, StatsScope } from './cgroup-stats.ts'
import type { CgroupOptions } from './cgroup-v1.ts'
import { compileDeviceProgram, decideDevices } from './device-program.ts'
import {
  addProcess,
  applyWrites,
  type FileWrite,
  killByFile,
  pidsBelow,
  readGroupFile,
  readNumber,
  readPairs,
  removeEmptyGroup,
  removeGroup,
  writeGroupFile,
} from './group-files.ts'
import { delegateTo, makeV2Group, needsController } from './make-v2-group.ts'
import { parseOwnGroups, subgroupOf } from './place-group.ts'
import { readV2Stats } from './v2-stats.ts'
import { unifiedWrites, type V2State, writesForV2 } from './v2-writes.ts'
import { watchOomV2 } from './watch-oom.ts'

const FREEZE_TIMEOUT_MS = 5_000

export class CgroupV2 implements Cgroup {
  readonly version = 2
  readonly path: string
  readonly #kernel: Kernel
  readonly #mountpoint: string
  readonly #options: CgroupOptions
  /** undefined: an ordinary user who may not make one does without. */
  #directory: string | undefined

  constructor(
    kernel: Kernel,
    place: { mountpoint: string; path: string; directory: string | undefined },
    options: CgroupOptions,
  ) {
    this.path = place.path
    this.#kernel = kernel
    this.#mountpoint = place.mountpoint
    this.#directory = place.directory
    this.#options = options
  }

  async create(limits: CgroupLimits): Promise<void> {
    const directory = this.#directory
    if (directory === undefined) return
    const made: string[] = []
    try {
      makeV2Group(this.#mountpoint, directory, limits, (level) => made.push(level))
      if (this.#options.ownerUid !== undefined) delegateTo(directory, this.#options.ownerUid)
      this.#apply(limits)
    } catch (error) {
      for (const level of made.reverse()) removeEmptyGroup(level)
      if (!this.#options.rootless || this.#options.isNamed || !hasErrno(error, 'EACCES', 'EPERM', 'EROFS')) throw error
      if (needsController(limits))
        throw new Failure(
          'permission-denied',
          `rootless needs no limits + no cgrouppath when no permission is granted for cgroups: ${messageOf(error)}`,
          { cause: error },
        )
      this.#directory = undefined
    }
  }

  settle(): void {}

  async update(limits: CgroupLimits): Promise<void> {
    this.#apply(limits)
  }

  #apply(limits: CgroupLimits): void {
    const writes = writesForV2(limits, this.#state(limits))
    const unified = unifiedWrites(limits)
    applyWrites(writes, (write) => this.#write(write))
    this.#setDevices(limits)
    for (const write of unified) this.#writeUnified(write)
  }

  #write(write: FileWrite): void {
    const controller = write.file.split('.')[0]
    if (this.#directory === undefined)
      throw new Failure(
        'failed-precondition',
        `cannot set ${controller} limit: container could not join or create cgroup`,
      )
    try {
      writeGroupFile(this.#directory, write)
    } catch (error) {
      if (write.optional || !hasErrno(error, 'ENOENT')) throw error
      throw new Failure(
        'failed-precondition',
        `cannot set ${controller} limit: controller ${JSON.stringify(controller)} not available: open ${join(this.#directory, write.file)}: no such file or directory`,
        { cause: error },
      )
    }
  }

  #setDevices({ devices }: CgroupLimits): void {
    if (devices === undefined || this.#directory === undefined) return
    try {
      attachDeviceProgram(this.#kernel, this.#directory, compileDeviceProgram(decideDevices(devices)))
    } catch (error) {
      // A user may not decide about devices: the kernel's own rules for them hold anyway.
      if (!this.#options.rootless) throw error
    }
  }

  #writeUnified(write: FileWrite): void {
    const name = JSON.stringify(write.file)
    if (this.#directory === undefined)
      throw new Failure(
        'failed-precondition',
        `unable to set unified resource ${name}: container could not join or create cgroup`,
      )
    try {
      writeGroupFile(this.#directory, write)
    } catch (error) {
      const controller = write.file.slice(0, write.file.indexOf('.'))
      const available = (readGroupFile(this.#directory, 'cgroup.controllers') ?? '').trim().split(' ')
      if (hasErrno(error, 'ENOENT', 'EACCES', 'EPERM') && controller !== 'cgroup' && !available.includes(controller))
        throw new Failure(
          'failed-precondition',
          `unified resource ${name} can't be set: controller ${JSON.stringify(controller)} not available`,
        )
      throw withSubject(`unable to set unified resource ${name}`, error)
    }
  }

  entry(): CgroupEntrance {
    return { steps: [], directory: this.#directory, hierarchies: [] }
  }

  execEntry({ initPid, subgroups = {} }: { initPid: number; subgroups?: Subgroups }): CgroupEntrance {
    return { ...this.entry(), directory: this.#subgroup(subgroups, initPid) }
  }

  async add(pid: number, subgroups: Subgroups = {}): Promise<void> {
    const directory = this.#subgroup(subgroups, undefined)
    if (directory === undefined) return
    try {
      await addProcess(directory, pid)
    } catch (error) {
      throw withSubject(`error adding pid ${pid} to cgroups`, error)
    }
  }

  #subgroup(subgroups: Subgroups, initPid: number | undefined): string | undefined {
    const base = this.#directory
    if (base === undefined) return undefined
    const unknown = Object.keys(subgroups).find((key) => key !== '')
    if (unknown !== undefined) throw new Failure('invalid-argument', `unknown controller ${unknown} in SubCgroupPaths`)
    const directory = subgroupOf(base, subgroups[''] ?? '')
    if (directory !== base && !existsSync(directory))
      throw new Failure('not-found', `error adding pid to cgroups: open ${directory}: no such file or directory`)
    if (directory !== base || initPid === undefined) return directory
    // A group that has passed controllers on takes no processes (EBUSY): whoever did that has moved the first one below.
    const passesOn = (readGroupFile(base, 'cgroup.subtree_control') ?? '').trim() !== ''
    return passesOn || !existsSync(base) ? (this.#groupOf(initPid) ?? base) : base
  }

  #groupOf(pid: number): string | undefined {
    try {
      const path = parseOwnGroups(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).get('')
      return path === undefined ? undefined : join(this.#mountpoint, path)
    } catch {
      return undefined // it has ended: then so will the exec
    }
  }

  exists(): boolean {
    return this.#directory !== undefined && existsSync(this.#directory)
  }

  async freeze(): Promise<void> {
    writeGroupFile(this.#requireDirectory(), { file: 'cgroup.freeze', value: '1' })
    const deadline = performance.now() + FREEZE_TIMEOUT_MS
    for (let waitMs = 0.5; !this.isFrozen(); waitMs = Math.min(waitMs * 2, 50)) {
      if (performance.now() > deadline) {
        await this.thaw()
        throw new Failure('deadline-exceeded', 'unable to freeze')
      }
      await systemClock.sleep(waitMs)
    }
  }

  async thaw(): Promise<void> {
    writeGroupFile(this.#requireDirectory(), { file: 'cgroup.freeze', value: '0' })
  }

  isFrozen(): boolean {
    return this.#directory !== undefined && readPairs(this.#directory, 'cgroup.events')['frozen'] === 1n
  }

  stats(scope?: StatsScope): CgroupStats {
    return readV2Stats(this.#directory ?? '/nowhere', this.oomKills(), scope)
  }

  oomKills(): number {
    return this.#directory === undefined ? 0 : Number(readPairs(this.#directory, 'memory.events')['oom_kill'] ?? 0n)
  }

  watchOom(onKill: () => void, onGone?: () => void): { close(): void } {
    const directory = this.#directory
    if (directory === undefined || !existsSync(join(directory, 'memory.events')))
      throw new Failure('failed-precondition', 'memory controller missing')
    return watchOomV2(directory, onKill, onGone)
  }

  pids(): number[] {
    return this.#directory === undefined ? [] : pidsBelow(this.#directory)
  }

  killAll(): void {
    if (this.#directory === undefined || killByFile(this.#directory)) return
    for (const pid of this.pids()) {
      try {
        this.#kernel.kill(pid, 9)
      } catch (error) {
        if (!hasErrno(error, 'ESRCH')) throw error
      }
    }
  }

  async remove(): Promise<void> {
    if (this.#directory !== undefined) await removeGroup(this.#directory)
  }

  describe(): CgroupRecord {
    return {
      version: 2,
      path: this.path,
      paths: this.#directory === undefined ? {} : { '': this.#directory },
      rootless: this.#options.rootless,
    }
  }

  #requireDirectory(): string {
    if (this.#directory === undefined)
      throw new Failure('failed-precondition', 'cannot toggle freezer: cgroups not configured for container')
    return this.#directory
  }

  /** Reads only what the given limits depend on. */
  #state(limits: CgroupLimits): V2State {
    const directory = this.#directory
    if (directory === undefined)
      return { memoryBytesMax: undefined, memoryBytesUsed: undefined, cpuMax: undefined, ioWeightFile: undefined }
    const hasFile = (file: string) => existsSync(join(directory, file))
    const hasWeights = limits.blockIoWeight || limits.blockIoWeightDevices?.length
    return {
      memoryBytesMax: limits.memorySwapBytesMax ? readNumber(directory, 'memory.max') : undefined,
      memoryBytesUsed: limits.checkMemoryBeforeUpdate ? readNumber(directory, 'memory.current') : undefined,
      cpuMax: limits.cpuPeriodUs || limits.cpuQuotaUs ? readGroupFile(directory, 'cpu.max') : undefined,
      ioWeightFile: hasWeights ? ['io.bfq.weight', 'io.weight'].find(hasFile) : undefined,
    }
  }
}
