// A group in each v1 hierarchy (and in the unified tree of a hybrid host, which kills as one).
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { Failure, withSubject } from '../../base/failure.ts'
import { hasErrno } from '../kernel-error.ts'
import type { Kernel } from '../kernel.ts'
import type { Cgroup, CgroupEntrance, CgroupLimits, CgroupRecord, Subgroups } from './cgroup.ts'
import type { CgroupStats, StatsScope } from './cgroup-stats.ts'
import {
  addProcess,
  applyWrites,
  killByFile,
  makeGroup,
  pidsBelow,
  readGroupFile,
  readNumber,
  readPairs,
  removeEmptyGroup,
  removeGroup,
  writeGroupFile,
} from './group-files.ts'
import { type GroupPlaces, subgroupOf, type V1Place } from './place-group.ts'
import { readV1Stats } from './v1-stats.ts'
import { type ControllerWrite, type V1State, writesForV1 } from './v1-writes.ts'
import { watchOomV1 } from './watch-oom.ts'

const FREEZE_TIMEOUT_MS = 5_000
const SIGKILL = 9
const KILL_PASSES_MAX = 10

export interface CgroupOptions {
  /** An ordinary user: hierarchies in which nothing may be made are done without, unless a limit wants them. */
  rootless: boolean
  /** The spec names the group: then doing without it is out of the question. */
  isNamed: boolean
  /** v2: the container's root, who may make groups below this one. */
  ownerUid?: number
}

export class CgroupV1 implements Cgroup {
  readonly version = 1
  readonly path: string
  readonly #kernel: Kernel
  readonly #options: CgroupOptions
  #groups: readonly V1Place[]
  #unified: string | undefined

  constructor(kernel: Kernel, places: GroupPlaces, options: CgroupOptions) {
    this.path = places.path
    this.#kernel = kernel
    this.#options = options
    this.#groups = places.v1
    this.#unified = places.unified
  }

  async create(limits: CgroupLimits): Promise<void> {
    const made: string[] = []
    const make = (directory: string, isCpuset: boolean): boolean => {
      try {
        if (makeGroup(directory, isCpuset ? inheritCpuset : undefined)) made.push(directory)
        else if (isCpuset) inheritCpuset(directory) // somebody else may have made it, and no more than that
        return true
      } catch (error) {
        const { rootless, isNamed } = this.#options
        if (!rootless || isNamed || !hasErrno(error, 'EACCES', 'EPERM', 'EROFS')) throw error
        return false
      }
    }
    try {
      this.#groups = this.#groups.filter(({ keys, directory }) => make(directory, keys.includes('cpuset')))
      if (this.#unified !== undefined && !make(this.#unified, false)) this.#unified = undefined
      this.#apply(limits)
    } catch (error) {
      for (const directory of made) removeEmptyGroup(directory)
      throw error
    }
  }

  settle(): void {}

  async update(limits: CgroupLimits): Promise<void> {
    this.#apply(limits)
  }

  #apply(limits: CgroupLimits): void {
    const writes = writesForV1(limits, this.#state(limits))
    try {
      applyWrites(writes, (write) => this.#write(write))
    } catch (error) {
      throw this.#explain(error)
    }
  }

  #write({ controller, ...write }: ControllerWrite): void {
    const directory = this.#directory(controller)
    if (directory === undefined)
      throw new Failure(
        'failed-precondition',
        `cannot set ${controller} limit: container could not join or create cgroup (${write.file})`,
      )
    try {
      writeGroupFile(directory, write)
    } catch (error) {
      // A user may not decide about devices: the kernel's own rules for them hold anyway.
      if (!this.#options.rootless || controller !== 'devices') throw error
    }
  }

  /** The limit cannot go below what is in use, and the kernel says no more than EBUSY. */
  #explain(error: unknown): unknown {
    const memory = this.#directory('memory')
    if (memory === undefined || !hasErrno(error, 'EBUSY') || !(error instanceof Error)) return error
    const [, limit] = /^write "(\d+)" to .*\/memory\.limit_in_bytes:/.exec(error.message) ?? []
    if (limit === undefined) return error
    const usage = readNumber(memory, 'memory.usage_in_bytes') ?? 0n
    const peak = readNumber(memory, 'memory.max_usage_in_bytes') ?? 0n
    return new Failure(
      'failed-precondition',
      `unable to set memory limit to ${limit} (current usage: ${usage}, peak usage: ${peak})`,
      { cause: error },
    )
  }

  entry(): CgroupEntrance {
    return this.#entrance(this.#groups, this.#unified)
  }

  execEntry({ subgroups = {} }: { subgroups?: Subgroups }): CgroupEntrance {
    const { groups, unified } = this.#subgroups(subgroups)
    const isAsked = Object.keys(subgroups).length > 0 // else they are the container's own
    for (const directory of [...groups.map((group) => group.directory), ...(unified === undefined ? [] : [unified])])
      if (isAsked && !existsSync(directory))
        throw new Failure('not-found', `error adding pid to cgroups: open ${directory}: no such file or directory`)
    return this.#entrance(groups, unified)
  }

  #entrance(groups: readonly V1Place[], unified: string | undefined): CgroupEntrance {
    return {
      steps: groups.map(({ directory }) => ({
        op: 'write-file',
        // The writer itself, in whatever PID namespace it is. It has one thread, so `tasks` moves all of it as `cgroup.procs` would, but
        // without the kernel-wide lock against forks (cgroup_procs_write_start), whose first writer waits 5 to 15 ms for an RCU grace period.
        path: join(directory, 'tasks'),
        data: '0',
      })),
      directory: unified,
      hierarchies: groups.map(({ name, directory }) => ({ name, directory })),
    }
  }

  async add(pid: number, subgroups: Subgroups = {}): Promise<void> {
    const { groups, unified } = this.#subgroups(subgroups)
    try {
      for (const { directory } of groups) await addProcess(directory, pid)
      if (unified !== undefined) await addProcess(unified, pid)
    } catch (error) {
      throw withSubject(`error adding pid ${pid} to cgroups`, error)
    }
  }

  /** `exec --cgroup cpu:/a --cgroup memory:/b`, or one path for all. */
  #subgroups(subgroups: Subgroups): { groups: V1Place[]; unified: string | undefined } {
    const known = new Set(['', ...this.#groups.flatMap(({ keys }) => keys)])
    for (const key of Object.keys(subgroups))
      if (!known.has(key)) throw new Failure('invalid-argument', `unknown controller ${key} in SubCgroupPaths`)
    const below = (directory: string, keys: readonly string[]) =>
      subgroupOf(directory, keys.map((key) => subgroups[key]).find((path) => path !== undefined) ?? subgroups[''] ?? '')
    return {
      groups: this.#groups.map((group) => ({ ...group, directory: below(group.directory, group.keys) })),
      unified: this.#unified === undefined ? undefined : below(this.#unified, ['']),
    }
  }

  exists(): boolean {
    return this.#all().some((directory) => existsSync(directory))
  }

  async freeze(): Promise<void> {
    const directory = this.#requireFreezer()
    const deadline = performance.now() + FREEZE_TIMEOUT_MS
    // A task that forks while it is being frozen can leave the group at FREEZING; writing again takes the newcomers in.
    for (let waitMs = 0.5; ; waitMs = Math.min(waitMs * 2, 50)) {
      writeGroupFile(directory, { file: 'freezer.state', value: 'FROZEN' })
      if (readGroupFile(directory, 'freezer.state')?.trim() === 'FROZEN') return
      if (performance.now() > deadline) {
        writeGroupFile(directory, { file: 'freezer.state', value: 'THAWED' })
        throw new Failure('deadline-exceeded', 'unable to freeze')
      }
      await systemClock.sleep(waitMs)
    }
  }

  async thaw(): Promise<void> {
    writeGroupFile(this.#requireFreezer(), { file: 'freezer.state', value: 'THAWED' })
  }

  isFrozen(): boolean {
    const directory = this.#directory('freezer')
    return directory !== undefined && readGroupFile(directory, 'freezer.state')?.trim() === 'FROZEN'
  }

  stats(scope?: StatsScope): CgroupStats {
    return readV1Stats((controller) => this.#directory(controller), this.oomKills(), scope)
  }

  oomKills(): number {
    const directory = this.#directory('memory')
    return directory === undefined ? 0 : Number(readPairs(directory, 'memory.oom_control')['oom_kill'] ?? 0n)
  }

  watchOom(onKill: () => void, onGone?: () => void): { close(): void } {
    const directory = this.#directory('memory')
    if (directory === undefined) throw new Failure('failed-precondition', 'memory controller missing')
    return watchOomV1(directory, onKill, onGone)
  }

  pids(): number[] {
    const directory = this.#directory('pids') ?? this.#all()[0]
    return directory === undefined ? [] : pidsBelow(directory)
  }

  killAll(): void {
    const isKilled = this.#unified !== undefined && killByFile(this.#unified)
    this.#killEach(isKilled ? 1 : KILL_PASSES_MAX) // what has left the unified tree is in the others still
    // A frozen task takes its SIGKILL only when it is thawed.
    if (this.isFrozen()) void this.thaw()
  }

  async remove(): Promise<void> {
    await Promise.all(this.#all().map(removeGroup))
  }

  describe(): CgroupRecord {
    const paths = Object.fromEntries(this.#groups.flatMap(({ keys, directory }) => keys.map((key) => [key, directory])))
    if (this.#unified !== undefined) paths[''] = this.#unified
    return { version: 1, path: this.path, paths, rootless: this.#options.rootless }
  }

  /** A fork bomb outruns one pass; each pass kills what it sees, and what is dying no longer forks. */
  #killEach(passes: number): void {
    for (let pass = 0; pass < passes; pass++) {
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

  #all(): string[] {
    return [...this.#groups.map(({ directory }) => directory), ...(this.#unified === undefined ? [] : [this.#unified])]
  }

  #directory(controller: string): string | undefined {
    return this.#groups.find(({ keys }) => keys.includes(controller))?.directory
  }

  #requireFreezer(): string {
    const directory = this.#directory('freezer')
    if (directory === undefined)
      throw new Failure('failed-precondition', 'cannot toggle freezer: cgroups not configured for container')
    return directory
  }

  /** Reads only what the given limits depend on. */
  #state(limits: CgroupLimits): V1State {
    const memory = this.#directory('memory')
    const blkio = this.#directory('blkio')
    const devices = this.#directory('devices')
    const hasWeight = (file: string) => blkio !== undefined && readGroupFile(blkio, file) !== undefined
    return {
      memorySwapBytesMax:
        memory !== undefined && (limits.memoryBytesMax || limits.memorySwapBytesMax)
          ? readNumber(memory, 'memory.memsw.limit_in_bytes')
          : undefined,
      blockIoWeightFile:
        limits.blockIoWeight || limits.blockIoWeightDevices?.length
          ? ['blkio.bfq.weight', 'blkio.weight'].find(hasWeight)
          : undefined,
      devices:
        devices !== undefined && limits.devices !== undefined ? readGroupFile(devices, 'devices.list') : undefined,
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
    if (readGroupFile(directory, file)?.trim() !== '') continue
    if (readGroupFile(parent, file)?.trim() === '') inheritCpuset(parent)
    const value = readGroupFile(parent, file)?.trim()
    if (value) writeGroupFile(directory, { file, value })
  }
}
