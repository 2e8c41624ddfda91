// How the kernel runs a process: processors, scheduling class, priorities, memory policy, personality.
import { Failure } from '../base/failure.ts'
import type { LinuxSpec, ProcessSpec } from '../oci/runtime-spec.ts'
import { quoted, type StepList } from './step-list.ts'

type Scheduler = NonNullable<ProcessSpec['scheduler']>

/** sched(7), in the kernel's numbers. */
const POLICY: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
}

const POLICY_FLAG: Readonly<Record<string, bigint>> = {
  SCHED_FLAG_RESET_ON_FORK: 1n,
  SCHED_FLAG_RECLAIM: 2n,
  SCHED_FLAG_DL_OVERRUN: 4n,
  SCHED_FLAG_KEEP_POLICY: 8n,
  SCHED_FLAG_KEEP_PARAMS: 16n,
  SCHED_FLAG_UTIL_CLAMP_MIN: 32n,
  SCHED_FLAG_UTIL_CLAMP_MAX: 64n,
}

/** @param hasCpus the container's group is confined to processors, which some policies cannot bear. */
export function planScheduler(list: StepList, scheduler: Scheduler | undefined, hasCpus: boolean): void {
  if (scheduler === undefined) return
  const { policy, nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0 } = scheduler
  const number = lookUp(POLICY, policy, 'process.scheduler.policy')
  if ((policy === 'SCHED_OTHER' || policy === 'SCHED_BATCH') && (nice < -20 || nice > 19))
    refuse(`process.scheduler.nice: invalid scheduler.nice: ${nice} when scheduler.policy is ${policy}`)
  if (priority !== 0 && policy !== 'SCHED_FIFO' && policy !== 'SCHED_RR')
    refuse('process.scheduler.priority: can only be specified for SCHED_FIFO or SCHED_RR policy')
  if (priority < 0 || priority > 99) refuse(`process.scheduler.priority: ${priority} is not within 0 and 99`)
  if (policy !== 'SCHED_DEADLINE' && (runtime !== 0 || deadline !== 0 || period !== 0))
    refuse('process.scheduler: scheduler runtime/deadline/period can only be specified for SCHED_DEADLINE policy')
  const flags = (scheduler.flags ?? []).map((flag) => lookUp(POLICY_FLAG, flag, 'process.scheduler.flags'))
  list.add(hasCpus ? CPUS_AND_SCHEDULER : 'error setting scheduler', {
    op: 'scheduler',
    policy: number,
    flags: flags.reduce((all, flag) => all | flag, 0n),
    nice,
    priority,
    runtime: nanoseconds(runtime),
    deadline: nanoseconds(deadline),
    period: nanoseconds(period),
  })
}

/** explain-step-failure.ts takes this for the whole explanation of EPERM. */
export const CPUS_AND_SCHEDULER = "process scheduler can't be used together with AllowedCPUs"

function nanoseconds(value: number): bigint {
  const number = BigInt(value)
  return number >= 1n << 64n ? (1n << 64n) - 1n : number
}

const IO_CLASS: Readonly<Record<string, number>> = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 }
const IO_CLASS_SHIFT = 13

export function planIoPriority(list: StepList, ioPriority: ProcessSpec['ioPriority']): void {
  if (ioPriority === undefined) return
  const { priority = 0 } = ioPriority
  const ioClass = lookUp(IO_CLASS, ioPriority.class, 'process.ioPriority.class')
  if (priority < 0 || priority > 7) refuse(`process.ioPriority.priority: ${priority} is not within 0 and 7`)
  list.add('failed to set io priority', { op: 'io-priority', value: (ioClass << IO_CLASS_SHIFT) | priority })
}

const PERSONALITY: Readonly<Record<string, number>> = { LINUX: 0, LINUX32: 8 }

export function planPersonality(list: StepList, personality: LinuxSpec['personality']): void {
  if (personality === undefined) return
  const persona = lookUp(PERSONALITY, personality.domain, 'linux.personality.domain')
  const [flag] = personality.flags ?? []
  if (flag !== undefined) refuse(`linux.personality.flags: ${quoted(flag)} is not supported`)
  list.add('set the personality', { op: 'personality', persona })
}

const MEMORY_MODE: Readonly<Record<string, number>> = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
}

const MEMORY_FLAG: Readonly<Record<string, number>> = {
  MPOL_F_STATIC_NODES: 1 << 15,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_NUMA_BALANCING: 1 << 13,
}

const WITHOUT_NODES = new Set(['MPOL_DEFAULT', 'MPOL_LOCAL'])

export function planMemoryPolicy(list: StepList, policy: LinuxSpec['memoryPolicy']): void {
  if (policy === undefined) return
  const mode = lookUp(MEMORY_MODE, policy.mode, 'linux.memoryPolicy.mode')
  const flags = (policy.flags ?? []).map((flag) => lookUp(MEMORY_FLAG, flag, 'linux.memoryPolicy.flags'))
  const nodes = parseNumberSet(policy.nodes ?? '', 'linux.memoryPolicy.nodes')
  if (WITHOUT_NODES.has(policy.mode) && nodes.length > 0)
    refuse(`linux.memoryPolicy.nodes: memory policy mode ${policy.mode} takes no nodes`)
  if (!WITHOUT_NODES.has(policy.mode) && policy.mode !== 'MPOL_PREFERRED' && nodes.length === 0)
    refuse(`linux.memoryPolicy.nodes: memory policy mode ${policy.mode} requires at least one node but got 0`)
  list.add('set the memory policy', { op: 'memory-policy', mode: flags.reduce((all, flag) => all | flag, mode), nodes })
}

type Affinity = ProcessSpec['execCPUAffinity']

/** It counts for execs alone, but a wrong one shall not show only then. */
export function checkAffinity({ execCPUAffinity }: ProcessSpec): void {
  for (const moment of ['initial', 'final'] as const)
    parseNumberSet(execCPUAffinity?.[moment] ?? '', `process.execCPUAffinity.${moment}`)
}

/** Before the process is in the container's group. */
export function planInitialAffinity(list: StepList, affinity: Affinity): void {
  const mask = parseNumberSet(affinity?.initial ?? '', 'process.execCPUAffinity.initial')
  if (mask.length > 0) list.add('set the initial CPU affinity', { op: 'cpu-affinity', mask })
}

/** In the group: the given processors, or at least none of the limits that whoever started us was under. */
export function planFinalAffinity(list: StepList, affinity: Affinity, resets: boolean): void {
  const mask = parseNumberSet(affinity?.final ?? '', 'process.execCPUAffinity.final')
  if (mask.length > 0) list.add('set the CPU affinity', { op: 'cpu-affinity', mask })
  else if (resets && !affinity?.initial) list.add('reset the CPU affinity', { op: 'cpu-affinity', mask: EVERY_CPU })
}

const NUMBER_MAX = 8191 // what a step's mask has room for
const EVERY_CPU = new Uint8Array(1024).fill(0xff)

/** `0-3,7` as a mask of bits; empty where nothing is given. Spaces and empty parts are let pass, as runc does. */
export function parseNumberSet(text: string, field: string): Uint8Array {
  const parts = text.split(',').map((part) => part.trim())
  const ranges = parts.filter((part) => part !== '').map((part) => parseRange(part, field))
  const highest = ranges.reduce((most, [, last]) => Math.max(most, last), -1)
  const mask = new Uint8Array(Math.floor(highest / 8) + 1)
  for (const [first, last] of ranges) for (let bit = first; bit <= last; bit++) mask[bit >> 3]! |= 1 << (bit & 7)
  return mask
}

function parseRange(part: string, field: string): [first: number, last: number] {
  const [, low = '', high = low] = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part) ?? []
  if (low === '') refuse(`${field}: ${quoted(part)} is no number or range`)
  const [first, last] = [Number(low), Number(high)]
  if (first > last) refuse(`${field}: invalid range: ${part}`)
  if (last > NUMBER_MAX) refuse(`${field}: values larger than ${NUMBER_MAX} are not supported`)
  return [first, last]
}

function lookUp<T>(table: Readonly<Record<string, T>>, name: string, field: string): T {
  const value = Object.hasOwn(table, name) ? table[name] : undefined
  return value ?? refuse(`${field}: ${quoted(name)} is not one of ${Object.keys(table).join(', ')}`)
}

function refuse(message: string): never {
  throw new Failure('invalid-argument', message)
}
