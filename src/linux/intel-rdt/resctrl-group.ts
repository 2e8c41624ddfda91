// Cache and memory bandwidth of a container: a group of the resctrl file system (Documentation/filesystems/resctrl.rst). One level deep: a
// class of service, and in it, where it is shared, a group that only counts.
import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import type { LinuxSpec } from '../../oci/runtime-spec.ts'
import { readGroupFile, writeGroupFile } from '../cgroup/group-files.ts'
import { hasErrno } from '../kernel-error.ts'
import type { Step } from '../steps.ts'
import { contradictions, schemaLines } from './schemata.ts'

export type IntelRdtSpec = NonNullable<LinuxSpec['intelRdt']>

/** What a runtime keeps on disk. */
export interface ResctrlRecord {
  /** The file system's mount point. */
  root: string
  /** The class of service. */
  directory: string
  /** The group that counts for this container alone. */
  monitor?: string
  /** Made by us and for this container: it goes with it. */
  isOurs: boolean
}

export interface ResctrlRequest {
  root: string
  id: string
  spec: IntelRdtSpec
}

export class ResctrlGroup {
  readonly #record: ResctrlRecord

  private constructor(record: ResctrlRecord) {
    this.#record = record
  }

  /** Makes the group where it is not there, and sets what the spec gives. Undoes itself on failure. Throws Failure naming the field. */
  static create({ root, id, spec }: ResctrlRequest): ResctrlGroup {
    requireFeatures(root, spec)
    const name = spec.closID || id
    const directory = join(root, name)
    if (name === '.' || name === '..' || name.includes('\0') || (name.includes('/') && name !== '/'))
      throw new Failure('invalid-argument', `linux.intelRdt.closID: invalid intelRdt.ClosID ${JSON.stringify(name)}`)
    const lines = schemaLines(spec)
    const isThere = existsSync(directory)
    if (spec.closID && !isThere && lines.length === 0)
      throw new Failure(
        'failed-precondition',
        `linux.intelRdt.closID: clos dir not accessible (must be pre-created when schemata, l3CacheSchema and memBwSchema are empty): ${directory}: no such file or directory`,
      )
    if (!isThere) within(root, 'unable to create the group', () => mkdirSync(directory, 0o755))
    const monitor = spec.enableMonitoring ? join(directory, 'mon_groups', id) : undefined
    const group = new ResctrlGroup({
      root,
      directory,
      ...(monitor === undefined ? {} : { monitor }),
      isOurs: !isThere && !spec.closID,
    })
    try {
      group.#configure(spec, lines, isThere)
      if (monitor !== undefined && !existsSync(monitor))
        within(root, 'unable to create the monitoring group', () => mkdirSync(monitor, 0o755))
    } catch (error) {
      if (!isThere) rmdirSync(directory) // also one with a name: nobody else can have found it useful yet
      throw error
    }
    return group
  }

  static reopen(record: ResctrlRecord): ResctrlGroup {
    return new ResctrlGroup(record)
  }

  /** A class that others share is not changed under their hands: it must be what this container wants already. */
  #configure(spec: IntelRdtSpec, lines: readonly string[], isThere: boolean): void {
    if (!isThere || !spec.closID) return this.#write(lines)
    const present = readGroupFile(this.#record.directory, 'schemata') ?? ''
    const fixed = [spec.l3CacheSchema, spec.memBwSchema].filter((schema) => schema !== undefined && schema !== '')
    const [wrong] = fixed.flatMap((schema) => contradictions(schema ?? '', present))
    if (wrong !== undefined)
      throw new Failure(
        'failed-precondition',
        `linux.intelRdt: ${JSON.stringify(wrong)} is not what the existing group ${spec.closID} has`,
      )
    this.#write(spec.schemata ?? [])
  }

  /** What only is given changes. */
  update(spec: Pick<IntelRdtSpec, 'l3CacheSchema' | 'memBwSchema' | 'schemata'>): void {
    requireFeatures(this.#record.root, spec)
    this.#write(schemaLines(spec))
  }

  #write(lines: readonly string[]): void {
    if (lines.length === 0) return
    const value = lines.map((line) => `${line}\n`).join('')
    within(this.#record.root, `unable to write ${JSON.stringify(value)}`, () =>
      writeGroupFile(this.#record.directory, { file: 'schemata', value }),
    )
  }

  /** The steps by which a child enters; 0 is the writer itself. */
  entry(): Step[] {
    const { directory, monitor } = this.#record
    return [directory, ...(monitor === undefined ? [] : [monitor])].map((group) => ({
      op: 'write-file',
      path: join(group, 'tasks'),
      data: '0',
    }))
  }

  add(pid: number): void {
    const { root, directory, monitor } = this.#record
    for (const group of [directory, ...(monitor === undefined ? [] : [monitor])])
      within(root, `unable to add pid ${pid}`, () => writeGroupFile(group, { file: 'tasks', value: String(pid) }))
  }

  /** A class with a name stays, for others may share it; being gone already is fine. */
  remove(): void {
    const { directory, monitor, isOurs } = this.#record
    const target = isOurs ? directory : monitor
    if (target === undefined) return
    try {
      rmdirSync(target)
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error
    }
  }

  describe(): ResctrlRecord {
    return this.#record
  }
}

/** What the processor can do is what the kernel shows below info/. */
export function resctrlFeatures(root: string): {
  l3: boolean
  memoryBandwidth: boolean
  monitoring: readonly string[]
} {
  const monitoring = readGroupFile(join(root, 'info/L3_MON'), 'mon_features') ?? ''
  return {
    l3: existsSync(join(root, 'info/L3')),
    memoryBandwidth: existsSync(join(root, 'info/MB')),
    monitoring: monitoring.split('\n').filter((line) => line !== ''),
  }
}

function requireFeatures(root: string, spec: IntelRdtSpec): void {
  const { l3, memoryBandwidth, monitoring } = resctrlFeatures(root)
  const refuse = (field: string, words: string) => {
    throw new Failure('failed-precondition', `linux.intelRdt.${field}: ${words}`)
  }
  if (spec.l3CacheSchema && !l3)
    refuse('l3CacheSchema', 'intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled')
  if (spec.memBwSchema && !memoryBandwidth)
    refuse('memBwSchema', 'intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled')
  if (spec.enableMonitoring && monitoring.length === 0)
    refuse('enableMonitoring', 'is specified in config, but Intel RDT monitoring is not enabled')
}

/** The kernel says EINVAL, and why in another file. */
function within(root: string, what: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    const status = readGroupFile(join(root, 'info'), 'last_cmd_status')?.trim()
    const more = status === undefined || status === '' || status === 'ok' ? '' : `, last_cmd_status: ${status}`
    throw new Failure('failed-precondition', `intelrdt: ${what}: ${messageOf(error)}${more}`, { cause: error })
  }
}
