// What every process of a container goes through, its first one and each exec: limits, identity, filter, program.
import { Failure } from '../base/failure.ts'
import { PR_SET_NO_NEW_PRIVS } from '../linux/constants.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { planCapabilities } from './plan-capabilities.ts'
import { planEnvironment, programCandidates } from './plan-environment.ts'
import { awaitStep, closeStep } from './plan-launch.ts'
import { planSeccomp } from './plan-seccomp.ts'
import type { HostFacts, Launch, RootfsFacts } from './plan-types.ts'
import { quoted, type StepList } from './step-list.ts'

/** getrlimit(2)'s numbers. */
const RLIMIT: Record<string, number> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
}

/** RLIM_INFINITY; JSON numbers round it, so that everything at or above 2^63 is taken for it. */
const INFINITY = (1n << 64n) - 1n

function planResourceLimits(list: StepList, process: ProcessSpec): void {
  for (const { type, soft, hard } of process.rlimits ?? []) {
    const resource = Object.hasOwn(RLIMIT, type) ? RLIMIT[type] : undefined
    if (resource === undefined) throw new Failure('invalid-argument', `invalid rlimit type: ${type}`)
    list.add(`error setting rlimit type ${resource}`, {
      op: 'rlimit',
      resource,
      soft: limitValue(soft),
      hard: limitValue(hard),
    })
  }
}

function limitValue(value: number): bigint {
  return value < 0 || value >= 2 ** 63 ? INFINITY : BigInt(Math.trunc(value))
}

/** Through the host's procfs, while it is still in sight: a container's /proc may be anything. */
export function planOomScore(list: StepList, process: ProcessSpec): void {
  if (process.oomScoreAdj === undefined) return
  list.add('write /proc/self/oom_score_adj', {
    op: 'write-file',
    path: '/proc/self/oom_score_adj',
    data: String(process.oomScoreAdj),
  })
}

/**
 * Working directory, limits, filter, ids, capabilities. Without no_new_privs the filter needs CAP_SYS_ADMIN, so it goes in
 * before the capabilities go; with it, as late as can be, so that it need not allow what leads up to exec.
 */
export function planCredentials(
  list: StepList,
  {
    spec,
    host,
    launch,
  }: { spec: RuntimeSpec; host: HostFacts; launch?: Pick<Launch, 'wait' | 'preservedDescriptors'> },
  process: ProcessSpec,
): void {
  const { uid, gid } = process.user ?? { uid: 0, gid: 0 }
  // While still root: the user need not have the right to search the way to its directory. EACCES is a network file system's.
  list.add(`chdir to cwd (${quoted(process.cwd)}) set in config.json failed`, {
    op: 'chdir',
    path: process.cwd,
    skipOn: { errnos: [ERRNO.EACCES], skip: 0 },
  })
  list.add('umask', { op: 'umask', mask: process.user?.umask ?? 0o022 })
  // From here on no step opens anything: neither a filter nor a low limit on files can get in the way of that.
  list.add('close descriptors', closeStep(launch))
  planResourceLimits(list, process)
  const capabilities = planCapabilities(process.capabilities, host)
  list.add('unable to apply bounding set', { op: 'cap-bounding', keep: capabilities.bounding })
  if (process.noNewPrivileges === true) list.add('no_new_privs', { op: 'prctl', option: PR_SET_NO_NEW_PRIVS, arg2: 1n })
  else planSeccomp(list, spec.linux?.seccomp, host)
  list.add('unable to setup user', { op: 'set-ids', uid, gid, groups: process.user?.additionalGids ?? [] })
  list.add('unable to apply caps', { op: 'cap-set', ...capabilities.sets })
  list.add('unable to apply ambient caps', { op: 'cap-ambient', set: capabilities.ambient })
  if (process.noNewPrivileges === true) planSeccomp(list, spec.linux?.seccomp, host)
}

/** The program is looked for as the user who will run it. */
export function planProcessEnd(
  list: StepList,
  { rootfs, launch }: { rootfs: RootfsFacts; launch?: Pick<Launch, 'wait' | 'preservedDescriptors'> },
  process: ProcessSpec,
): void {
  const argv = process.args ?? []
  const program = argv[0]
  if (program === undefined) throw new Failure('invalid-argument', 'process.args: at least the program is required')
  const env = planEnvironment(process, rootfs)
  list.add(`exec: ${quoted(program)}`, { op: 'resolve-exec', candidates: programCandidates(program, env) })
  list.add('wait for start', awaitStep(launch))
  list.add(`exec ${program}`, { op: 'exec', argv, env })
}
