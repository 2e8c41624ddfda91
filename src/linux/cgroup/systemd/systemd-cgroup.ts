// A group that systemd makes and removes: a transient scope (or slice), delegated to us. What systemd has no words for is written to the
// group itself.
import type { ChildProcess } from 'node:child_process'
import { Failure, messageOf, withSubject } from '../../../base/failure.ts'
import { readNumber } from '../group-files.ts'
import type { Cgroup, CgroupEntrance, CgroupLimits, CgroupRecord, Subgroups } from '../cgroup.ts'
import type { CgroupStats, StatsScope } from '../cgroup-stats.ts'
import type { Systemd } from './systemd-client.ts'
import { isSlice, type UnitPlace } from './unit-name.ts'
import type { UnitHost, UnitProperty } from './unit-properties.ts'

export interface SystemdUnit extends Pick<UnitPlace, 'unit' | 'slice'> {
  id: string
  isUser: boolean
  /** The annotations' properties. */
  extra: readonly UnitProperty[]
}

export class SystemdCgroup implements Cgroup {
  readonly version: 1 | 2
  readonly path: string
  readonly #group: Cgroup
  readonly #unit: SystemdUnit
  #holder: ChildProcess | undefined

  /** `group`: where systemd puts the unit, as if it were without systemd. */
  constructor(group: Cgroup, unit: SystemdUnit) {
    this.version = group.version
    this.path = group.path
    this.#group = group
    this.#unit = unit
  }

  async create(limits: CgroupLimits): Promise<void> {
    using systemd = await openSystemd(this.#unit.isUser)
    const host = await this.#host(systemd, limits)
    const { planBirthProperties, planUnitProperties } = await import('./unit-properties.ts')
    const plan = planUnitProperties(limits, host)
    const holder = isSlice(this.#unit.unit) ? undefined : await startHolder()
    this.#holder = holder
    try {
      await systemd.startTransientUnit(this.#unit.unit, [
        ...identity(this.#unit, host.cgroupVersion, holder?.pid),
        ...this.#unit.extra,
        ...planBirthProperties(limits, host),
        ...plan.properties,
      ])
    } catch (error) {
      this.settle()
      throw withSubject(`unable to start unit ${JSON.stringify(this.#unit.unit)}`, error)
    }
    try {
      await this.#group.create(plan.limits)
    } catch (error) {
      this.settle()
      await systemd.stopUnit(this.#unit.unit).catch(() => {}) // the first failure is the one to tell
      throw error
    }
  }

  settle(): void {
    this.#holder?.stdin?.end() // it ends by itself then
    this.#holder?.kill('SIGKILL')
    this.#holder = undefined
  }

  async update(limits: CgroupLimits): Promise<void> {
    using systemd = await openSystemd(this.#unit.isUser)
    const { planUnitProperties } = await import('./unit-properties.ts')
    const plan = planUnitProperties(limits, await this.#host(systemd, limits))
    // v1: systemd clears the list of devices before it fills it again; nobody shall see it empty.
    const mustFreeze = this.version === 1 && limits.devices !== undefined && !this.isFrozen()
    if (mustFreeze) await this.freeze()
    try {
      if (plan.properties.length > 0) await systemd.setUnitProperties(this.#unit.unit, plan.properties)
      await this.#group.update(plan.limits)
    } catch (error) {
      throw withSubject('unable to set unit properties', error)
    } finally {
      if (mustFreeze) await this.thaw()
    }
  }

  async #host(systemd: Systemd, limits: CgroupLimits): Promise<UnitHost> {
    const directory = this.#group.describe().paths['']
    const isAsked = this.version === 2 && directory !== undefined && Boolean(limits.memorySwapBytesMax)
    return {
      cgroupVersion: this.version,
      systemdVersion: await systemd.version(),
      memoryBytesMax: isAsked ? readNumber(directory, 'memory.max') : undefined,
    }
  }

  /** A user's process may not move itself from one part of the tree into another: his systemd may. */
  entry(): CgroupEntrance {
    return this.#unit.isUser ? BY_ADD : this.#group.entry()
  }

  execEntry(request: { initPid: number; subgroups?: Subgroups }): CgroupEntrance {
    const entrance = this.#group.execEntry(request) // refuses wrong groups
    return this.#unit.isUser ? BY_ADD : entrance
  }

  async add(pid: number, subgroups: Subgroups = {}): Promise<void> {
    if (!this.#unit.isUser) {
      await this.#group.add(pid, subgroups)
    } else {
      this.#group.execEntry({ initPid: pid, subgroups })
      using systemd = await openSystemd(true)
      const below = subgroups[''] ?? ''
      try {
        await systemd.attachProcesses(this.#unit.unit, below === '' ? '' : `/${below.replace(/^\/+/, '')}`, [pid])
      } catch (error) {
        throw withSubject(`error adding pid ${pid} to cgroups`, error)
      }
    }
    this.settle()
  }

  exists(): boolean {
    return this.#group.exists()
  }

  freeze(): Promise<void> {
    return this.#group.freeze()
  }

  thaw(): Promise<void> {
    return this.#group.thaw()
  }

  isFrozen(): boolean {
    return this.#group.isFrozen()
  }

  stats(scope?: StatsScope): CgroupStats {
    return this.#group.stats(scope)
  }

  oomKills(): number {
    return this.#group.oomKills()
  }

  watchOom(onKill: () => void, onGone?: () => void): { close(): void } {
    return this.#group.watchOom(onKill, onGone)
  }

  pids(): number[] {
    const pids = this.#group.pids()
    return this.#holder === undefined ? pids : pids.filter((pid) => pid !== this.#holder?.pid)
  }

  killAll(): void {
    this.#group.killAll()
    this.settle()
  }

  /** The directories go even where systemd does not answer. */
  async remove(): Promise<void> {
    this.settle()
    let failure: unknown
    try {
      using systemd = await openSystemd(this.#unit.isUser)
      await systemd.stopUnit(this.#unit.unit)
    } catch (error) {
      failure = error
    }
    await this.#group.remove()
    if (failure !== undefined) throw withSubject(`unable to stop unit ${this.#unit.unit}`, failure)
  }

  describe(): CgroupRecord {
    return { ...this.#group.describe(), systemd: { unit: this.#unit.unit, isUser: this.#unit.isUser } }
  }
}

const BY_ADD: CgroupEntrance = { steps: [], directory: undefined, hierarchies: [], byAdd: true }

function identity({ id, unit, slice }: SystemdUnit, version: 1 | 2, pid: number | undefined): UnitProperty[] {
  const flag = (name: string, value: boolean): UnitProperty => ({ name, signature: 'b', value })
  const place: UnitProperty[] = isSlice(unit)
    ? [{ name: 'Wants', signature: 'as', value: [slice] }]
    : [{ name: 'Slice', signature: 's', value: slice }, flag('Delegate', true)]
  return [
    { name: 'Description', signature: 's', value: `libcontainer container ${id}` },
    ...place,
    ...(pid === undefined ? [] : [{ name: 'PIDs', signature: 'au', value: [pid] }]),
    // Counted from the start: the kernel counts nothing of what came before.
    flag('MemoryAccounting', true),
    flag('CPUAccounting', true),
    flag(version === 2 ? 'IOAccounting' : 'BlockIOAccounting', true),
    flag('TasksAccounting', true),
    flag('DefaultDependencies', false),
  ]
}

/**
 * A scope cannot be without a process, and the container's first one is to be born in it: until then this one holds the place. It ends when
 * its standard input does, and so with us, however we end.
 */
async function startHolder(): Promise<ChildProcess> {
  const { spawn } = await import('node:child_process')
  return await new Promise((resolve, reject) => {
    const child = spawn('cat', [], { stdio: ['pipe', 'ignore', 'ignore'], env: {}, cwd: '/' })
    child.once('spawn', () => resolve(child))
    child.once('error', (error) => {
      reject(new Failure('internal', `cannot start a process to hold the unit: ${messageOf(error)}`))
    })
    child.stdin?.on('error', () => {}) // it is not written to
    child.unref()
  })
}

/** Loaded when it is needed: a command that only looks at such a group speaks to nobody. */
async function openSystemd(isUser: boolean): Promise<Systemd> {
  const { Systemd } = await import('./systemd-client.ts')
  return await Systemd.open(isUser)
}
