// Everything that can be said against a spec before anything is made: each failure names its field and what would be right.
import { Failure } from '../base/failure.ts'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { checkMounts } from './check-mounts.ts'
import { checkNamespaces } from './check-namespaces.ts'
import { checkDevices } from './plan-devices.ts'
import { checkHooks } from './plan-hooks.ts'
import { checkLabels } from './plan-labels.ts'
import { isOwn } from './plan-namespaces.ts'
import { checkResourceLimits } from './plan-process.ts'
import { checkAffinity } from './plan-scheduling.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

/** @returns the process, which a container cannot be made without. */
export function checkSpec(input: Input): ProcessSpec {
  const { spec } = input
  if (spec.process === undefined) refuse('process: required to create a container')
  if (spec.root === undefined) refuse('root: required to create a container')
  checkNamespaces(input)
  checkMounts(input)
  checkDevices(input)
  checkHooks(spec)
  checkNames(spec)
  checkPaths(spec)
  checkNetDevices(input)
  checkIntelRdt(input)
  checkProcess(input, spec.process)
  return spec.process
}

/** What holds for every process, a container's first one and each exec. */
export function checkProcess({ spec, host }: Pick<Input, 'spec' | 'host'>, process: ProcessSpec): void {
  checkLabels(spec, process, host)
  checkResourceLimits(process)
  checkAffinity(process)
  if (!process.cwd.startsWith('/')) refuse(`process.cwd: ${quoted(process.cwd)} must be an absolute path`)
}

const NAME_MAX = 64 // utsname(2)

function checkNames(spec: RuntimeSpec): void {
  for (const field of ['hostname', 'domainname'] as const) {
    const name = spec[field]
    if (!name) continue
    if (!isOwn(spec, 'uts')) refuse(`${field}: unable to set ${field} without a private UTS namespace`)
    if (Buffer.byteLength(name) > NAME_MAX) refuse(`${field}: longer than ${NAME_MAX} bytes`)
  }
}

function checkPaths({ linux }: RuntimeSpec): void {
  for (const field of ['maskedPaths', 'readonlyPaths'] as const)
    for (const [index, path] of (linux?.[field] ?? []).entries())
      if (!path.startsWith('/')) refuse(`linux.${field}[${index}]: ${quoted(path)} must be an absolute path`)
}

const DEVICE_NAME_MAX = 15 // IFNAMSIZ less its NUL

function checkNetDevices({ spec, launch }: Input): void {
  const devices = Object.entries(spec.linux?.netDevices ?? {})
  if (devices.length === 0) return
  if (!isOwn(spec, 'network')) refuse('linux.netDevices: unable to move network devices without a NET namespace')
  if (launch?.rootless === true) refuse('linux.netDevices: network devices are not supported for rootless containers')
  for (const [name, { name: inside }] of devices)
    for (const each of [name, inside ?? name])
      if (!/^[^\s/:]+$/.test(each) || each.length > DEVICE_NAME_MAX || each === '.' || each === '..')
        refuse(`linux.netDevices: invalid network device name ${quoted(each)}`)
}

function checkIntelRdt({ spec, host }: Input): void {
  const rdt = spec.linux?.intelRdt
  if (rdt === undefined) return
  if (host.resctrl === undefined)
    refuse('linux.intelRdt: intelRdt is specified in config, but Intel RDT is not enabled')
  const { closID = '', schemata = [], l3CacheSchema = '', memBwSchema = '' } = rdt
  if (closID === '.' || closID === '..' || (closID.length > 1 && closID.includes('/')))
    refuse(`linux.intelRdt.closID: invalid intelRdt.ClosID ${quoted(closID)}`)
  if ([...schemata, l3CacheSchema, memBwSchema].some((line) => line.includes('\n')))
    refuse('linux.intelRdt: a schema must be one line')
}

function refuse(message: string): never {
  throw new Failure('invalid-argument', message)
}
