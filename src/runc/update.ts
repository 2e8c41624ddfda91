// `update`: other limits for a container, from a document or from options.
import { readFileSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { describeJsonError } from '../oci/json-shape.ts'
import type { ResourcesSpec } from '../oci/runtime-spec.ts'
import { parseResources } from '../runtime/parse-runtime-spec.ts'
import { planCgroupLimits } from '../runtime/plan-cgroup-limits.ts'
import type { Command } from './command.ts'
import { ioReason } from './io-error.ts'
import type { Options } from './parse-options.ts'
import { parseByteSize, parseIntegerOption } from './parse-quantity.ts'
import { loadState, requireLock, writeState } from './state-store.ts'

export const update: Command = async ({ settings, options, args }) => {
  const [id = ''] = args
  loadState(settings.root, id)
  using _lock = await requireLock(settings.root, id)
  const record = loadState(settings.root, id)
  const path = options.text('resources')
  const changes = path === undefined || path === '' ? resourcesOfOptions(options) : readResources(path)
  if (record.cgroup === undefined)
    throw new Failure('failed-precondition', 'cannot update a container without a control group')
  const { linux = {} } = record.spec
  await reopenCgroup(record.cgroup).update(planCgroupLimits(changes))
  // What follows (a checkpoint, `state` for people) is told the limits that hold.
  const resources = mergeResources(linux.resources ?? {}, changes)
  writeState(settings.root, { ...record, spec: { ...record.spec, linux: { ...linux, resources } } })
  return 0
}

function readResources(path: string): ResourcesSpec {
  let text: string
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (error) {
    throw new Failure('invalid-argument', `open ${path}: ${ioReason(error)}`, { cause: error })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Failure('invalid-argument', describeJsonError(error), { cause: error })
  }
  return parseResources(value, 'resources')
}

function resourcesOfOptions(options: Options): ResourcesSpec {
  refuseSchemata(options)
  const integer = (name: string) => parseIntegerOption(options, name)
  const bytes = (name: string) => parseByteSize(options, name)
  const cpu = {
    shares: integer('cpu-share'),
    quota: integer('cpu-quota'),
    period: integer('cpu-period'),
    burst: integer('cpu-burst'),
    idle: integer('cpu-idle'),
    realtimeRuntime: integer('cpu-rt-runtime'),
    realtimePeriod: integer('cpu-rt-period'),
    cpus: options.text('cpuset-cpus') || undefined,
    mems: options.text('cpuset-mems') || undefined,
  }
  const memory = {
    limit: bytes('memory'),
    reservation: bytes('memory-reservation'),
    swap: bytes('memory-swap'),
  }
  const [weight, pids] = [options.integer('blkio-weight'), options.integer('pids-limit')]
  return parseResources(
    {
      cpu,
      memory,
      ...(weight === undefined || weight === 0 ? {} : { blockIO: { weight } }),
      ...(pids === undefined || pids === 0 ? {} : { pids: { limit: pids } }),
    },
    'resources',
  )
}

function refuseSchemata(options: Options): void {
  if (options.text('l3-cache-schema'))
    throw new Failure('failed-precondition', 'Intel RDT/CAT: l3 cache schema is not enabled')
  if (options.text('mem-bw-schema'))
    throw new Failure('failed-precondition', 'Intel RDT/MBA: memory bandwidth schema is not enabled')
}

/** Group by group; lists as a whole. */
function mergeResources(before: ResourcesSpec, changes: ResourcesSpec): ResourcesSpec {
  return {
    ...before,
    ...changes,
    memory: { ...before.memory, ...changes.memory },
    cpu: { ...before.cpu, ...changes.cpu },
    pids: { ...before.pids, ...changes.pids },
    blockIO: { ...before.blockIO, ...changes.blockIO },
  }
}
