// Which combinations of namespaces, id maps and clock offsets make sense. Everything else is refused before anything is made.
import { Failure } from '../base/failure.ts'
import type { IdMapping, RuntimeSpec } from '../oci/runtime-spec.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

export function checkNamespaces(input: Input): void {
  const { spec, launch } = input
  const namespaces = spec.linux?.namespaces ?? []
  const seen = new Set<string>()
  for (const [index, { type, path }] of namespaces.entries()) {
    if (seen.has(type))
      refuse(`linux.namespaces[${index}]: malformed spec file: duplicated ns ${quoted(type)}, each may be given once`)
    seen.add(type)
    if (path && !path.startsWith('/'))
      refuse(`linux.namespaces[${index}].path: ${quoted(path)} must be an absolute path`)
  }
  if (!seen.has('mount')) checkWithoutMountNamespace(input)
  checkUserNamespace(input)
  checkTimeNamespace(spec)
  if (launch?.rootless === true && !seen.has('user')) refuse('rootless container requires user namespaces')
}

/** The mounts are then made in the runtime's own namespace, where nothing that hides or protects may depend on them. */
function checkWithoutMountNamespace({ spec, launch }: Input): void {
  const { maskedPaths, readonlyPaths, rootfsPropagation } = spec.linux ?? {}
  if (launch?.rootfsSource === undefined) refuse('linux.namespaces: a container needs a mount namespace of its own')
  if (maskedPaths?.length || readonlyPaths?.length)
    refuse('linux.maskedPaths: unable to restrict sys entries without a private MNT namespace')
  if (spec.root?.readonly === true)
    refuse('root.readonly: unable to make the root file system read-only without a private MNT namespace')
  if (rootfsPropagation) refuse('linux.rootfsPropagation: has no meaning without a private MNT namespace')
}

function checkUserNamespace({ spec, launch, rootfs }: Input): void {
  const { uidMappings, gidMappings, namespaces } = spec.linux ?? {}
  const user = namespaces?.find(({ type }) => type === 'user')
  const isMapped = Boolean(uidMappings?.length || gidMappings?.length)
  if (user === undefined) {
    if (isMapped)
      refuse("linux.uidMappings: user namespace mappings specified, but user namespace isn't enabled in the config")
    return
  }
  checkIdMappings('linux.uidMappings', uidMappings ?? [])
  checkIdMappings('linux.gidMappings', gidMappings ?? [])
  if (user.path) {
    const known = rootfs.joinedMaps
    if (isMapped && known && !(isSameMap(known.uid, uidMappings ?? []) && isSameMap(known.gid, gidMappings ?? [])))
      refuse(
        'linux.uidMappings: user namespaces enabled, but both namespace path and non-matching mapping specified -- you may only provide one',
      )
    return
  }
  if (!isMapped)
    refuse('linux.uidMappings: user namespaces enabled, but no namespace path to join nor mappings to apply specified')
  if (!isMappedId(uidMappings, 0)) refuse('linux.uidMappings: user namespaces enabled, but no mapping found for uid 0')
  if (!isMappedId(gidMappings, 0)) refuse('linux.gidMappings: user namespaces enabled, but no mapping found for gid 0')
  checkIdentity(spec, launch?.rootless === true)
}

/** Whom the process is to be must exist in its user namespace. */
function checkIdentity({ process, linux }: RuntimeSpec, isRootless: boolean): void {
  const { uid = 0, gid = 0, additionalGids = [] } = process?.user ?? {}
  if (!isMappedId(linux?.uidMappings, uid))
    refuse(`process.user.uid: cannot setuid to unmapped uid ${uid} in user namespace`)
  if (!isMappedId(linux?.gidMappings, gid))
    refuse(`process.user.gid: cannot setgid to unmapped gid ${gid} in user namespace`)
  const stranger = additionalGids.find((group) => !isMappedId(linux?.gidMappings, group))
  if (stranger !== undefined && !isRootless)
    refuse(`process.user.additionalGids: cannot set unmapped gid ${stranger} in user namespace`)
}

const EXTENTS_MAX = 340 // the kernel's UID_GID_MAP_MAX_EXTENTS
const IDS = 2 ** 32

/** What the kernel would refuse as EINVAL, said in words. */
export function checkIdMappings(field: string, mappings: readonly IdMapping[]): void {
  if (mappings.length > EXTENTS_MAX) refuse(`${field}: more than ${EXTENTS_MAX} entries`)
  for (const [index, { containerID, hostID, size }] of mappings.entries()) {
    if (size === 0) refuse(`${field}[${index}].size: must not be 0`)
    if (containerID + size > IDS - 1 || hostID + size > IDS - 1)
      refuse(`${field}[${index}]: reaches beyond the last id`)
  }
  for (const side of ['containerID', 'hostID'] as const) {
    const sorted = mappings.toSorted((a, b) => a[side] - b[side])
    const overlap = sorted.find((entry, at) => at > 0 && entry[side] < sorted[at - 1]![side] + sorted[at - 1]!.size)
    if (overlap !== undefined) refuse(`${field}: ${side} ${overlap[side]} is mapped twice`)
  }
}

function isMappedId(mappings: readonly IdMapping[] | undefined, id: number): boolean {
  return mappings?.some(({ containerID, size }) => id >= containerID && id < containerID + size) === true
}

function isSameMap(known: readonly IdMapping[], given: readonly IdMapping[]): boolean {
  const text = (mappings: readonly IdMapping[]) => JSON.stringify(mappings.map(formatMapping).sort())
  return text(known) === text(given)
}

/** A line of uid_map. */
export function formatMapping({ containerID, hostID, size }: IdMapping): string {
  return `${containerID} ${hostID} ${size}`
}

const CLOCKS = new Set(['monotonic', 'boottime'])
const NANOSECONDS = 1e9

function checkTimeNamespace({ linux }: RuntimeSpec): void {
  const offsets = Object.entries(linux?.timeOffsets ?? {})
  const time = linux?.namespaces?.find(({ type }) => type === 'time')
  if (offsets.length === 0) return
  if (time === undefined)
    refuse("linux.timeOffsets: time namespace offsets specified, but time namespace isn't enabled in the config")
  if (time.path)
    refuse(
      'linux.timeOffsets: time namespace enabled, but both namespace path and time offsets specified -- you may only provide one',
    )
  for (const [clock, { nanosecs = 0 }] of offsets) {
    if (!CLOCKS.has(clock)) refuse(`linux.timeOffsets: ${quoted(clock)} is not one of monotonic, boottime`)
    if (nanosecs >= NANOSECONDS) refuse(`linux.timeOffsets.${clock}.nanosecs: must be below ${NANOSECONDS}`)
  }
}

function refuse(message: string): never {
  throw new Failure('invalid-argument', message)
}
