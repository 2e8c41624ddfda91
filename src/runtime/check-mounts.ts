// Which mounts make sense: refused before anything is made, each by its place in the spec.
import { Failure } from '../base/failure.ts'
import { type MountOptions, parseMountOptions } from '../linux/mount/parse-mount-options.ts'
import type { MountSpec } from '../oci/runtime-spec.ts'
import { checkIdMappings } from './check-namespaces.ts'
import { containerPath, isBindMount } from './container-path.ts'
import { isOwn } from './plan-namespaces.ts'
import { isIdMapped } from './plan-bind-mounts.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

const OPTION_MAX = 255 // fsconfig(2)'s own bound

export function checkMounts(input: Input): void {
  for (const [index, mount] of (input.spec.mounts ?? []).entries()) checkMount(input, mount, `mounts[${index}]`)
}

function checkMount(input: Input, mount: MountSpec, field: string): void {
  const options = parseMountOptions(mount.options ?? [])
  checkDestination(input, mount, options, field)
  if (isIdMapped(mount, options)) checkIdMap(input, mount, field)
  if (options.copiesUp && mount.type !== 'tmpfs')
    refuse(`${field}.options: tmpcopyup is for mounts of type tmpfs, not of ${quoted(mount.type ?? '')}`)
  if (isBindMount(mount)) {
    const [data] = options.data
    if (data !== undefined && !options.isRemount)
      refuse(
        `${field}.options: bind mounts cannot have any filesystem-specific options applied, such as ${quoted(data[0])}`,
      )
    if (!mount.source && !options.isRemount) refuse(`${field}.source: must be given for a bind mount`)
    return
  }
  if (!mount.type && !options.isRemount) refuse(`${field}.type: must be given, as it is no bind mount`)
  for (const [key, value] of options.data)
    if (key.length > OPTION_MAX || (value?.length ?? 0) > OPTION_MAX)
      refuse(`${field}.options: ${quoted(key.slice(0, 40))} is longer than ${OPTION_MAX} characters`)
}

/** Files below /proc that programs like lxcfs may cover; all else there is the kernel's word, and may not be forged. */
const ALLOWED_IN_PROC = new Set(
  [
    'cpuinfo',
    'diskstats',
    'meminfo',
    'stat',
    'swaps',
    'uptime',
    'loadavg',
    'slabinfo',
    'net/dev',
    'sys/kernel/ns_last_pid',
    'sys/crypto/fips_enabled',
  ].map((name) => `/proc/${name}`),
)

function checkDestination(
  { rootfs, rootfsDirectory }: Input,
  mount: MountSpec,
  options: MountOptions,
  field: string,
): void {
  const destination = containerPath(mount.destination, rootfsDirectory)
  if (destination === '/') refuse(`${field}.destination: ${quoted(mount.destination)} is on the top of rootfs`)
  if (destination.startsWith('/proc/') && !ALLOWED_IN_PROC.has(destination) && !options.isRemount)
    refuse(`${field}.destination: ${quoted(destination)} cannot be mounted because it is inside /proc`)
  const isProc = isBindMount(mount)
    ? mount.source === '/proc' || rootfs.procfs?.has(mount.source ?? '') === true
    : mount.type === 'proc'
  if (destination === '/proc' && !isProc && !options.isRemount)
    refuse(`${field}.destination: ${quoted(destination)} cannot be mounted because it is not of type proc`)
}

function checkIdMap({ spec, launch }: Input, mount: MountSpec, field: string): void {
  const { uidMappings = [], gidMappings = [] } = mount
  if (!isBindMount(mount)) refuse(`${field}: id-mapped mounts are only supported for bind-mounts`)
  if (launch?.rootless === true) refuse(`${field}: id-mapped mounts are not supported for rootless containers`)
  if (uidMappings.length === 0 && gidMappings.length === 0) {
    if (!isOwn(spec, 'user'))
      refuse(`${field}: id-mapped mounts must have both uid and gid mappings specified, as there is no user namespace`)
    return
  }
  if (uidMappings.length === 0 || gidMappings.length === 0)
    refuse(`${field}: id-mapped mounts must have both uid and gid mappings specified`)
  checkIdMappings(`${field}.uidMappings`, uidMappings)
  checkIdMappings(`${field}.gidMappings`, gidMappings)
}

function refuse(message: string): never {
  throw new Failure('invalid-argument', message)
}
