// What every process of a container goes through, its first one and each exec: limits, identity, filter, program.
import { Failure } from '../base/failure.ts'
import { O_PATH, PR_SET_NO_NEW_PRIVS } from '../linux/constants.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import type { ProcessSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { missingCapabilities, planCapabilities } from './plan-capabilities.ts'
import { planEnvironment, programCandidates } from './plan-environment.ts'
import { awaitStep, closeStep } from './plan-launch.ts'
import { isOwn, joinedPath } from './plan-namespaces.ts'
import { planMemoryPolicy, planPersonality } from './plan-scheduling.ts'
import { planSeccomp } from './plan-seccomp.ts'
import type { HostFacts, Launch, RootfsFacts } from './plan-types.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

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

export function checkResourceLimits({ rlimits }: ProcessSpec): void {
  const seen = new Set<string>()
  for (const [index, { type, soft, hard }] of (rlimits ?? []).entries()) {
    const field = `process.rlimits[${index}]`
    if (!Object.hasOwn(RLIMIT, type)) refuse(`${field}.type: invalid rlimit type: ${type}`)
    if (seen.has(type)) refuse(`${field}.type: ${type} is given twice`)
    seen.add(type)
    if (limitValue(soft) > limitValue(hard)) refuse(`${field}: the soft limit ${soft} is above the hard limit ${hard}`)
  }
}

function planResourceLimits(list: StepList, { rlimits }: ProcessSpec): void {
  for (const { type, soft, hard } of rlimits ?? []) {
    const resource = RLIMIT[type] ?? refuse(`process.rlimits: invalid rlimit type: ${type}`)
    list.add(`error setting rlimit type ${resource}`, {
      op: 'rlimit',
      resource,
      soft: limitValue(soft),
      hard: limitValue(hard),
    })
  }
}

function refuse(message: string): never {
  throw new Failure('invalid-argument', message)
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

/** What planning a process needs to know of everything around it, in a container's beginning as in an exec. */
export interface Surroundings {
  spec: RuntimeSpec
  host: HostFacts
  rootfs: RootfsFacts
  launch?: Pick<Launch, 'wait' | 'preservedDescriptors' | 'rootless'>
}

/**
 * Working directory, limits, filter, ids, capabilities. Without no_new_privs the filter needs CAP_SYS_ADMIN, so it goes in
 * before the capabilities go; with it, as late as can be, so that it need not allow what leads up to exec.
 */
export function planCredentials(list: StepList, around: Surroundings, process: ProcessSpec): void {
  const { spec, host } = around
  const seccomp = spec.linux?.seccomp
  const asUser = planWorkingDirectory(list, process)
  list.add('umask', { op: 'umask', mask: process.user?.umask ?? 0o022 })
  // From here on no step opens anything: neither a filter nor a low limit on files can get in the way of that.
  list.add('close descriptors', closeStep(around.launch))
  planResourceLimits(list, process)
  const inUserNamespace = isOwn(spec, 'user')
  const capabilities = planCapabilities(process.capabilities, host, inUserNamespace)
  const missing = missingCapabilities(process.capabilities, host, inUserNamespace)
  if (missing.length > 0) list.warn(`ignoring unknown or unavailable capabilities: ${missing.join(' ')}`)
  list.add('unable to apply bounding set', { op: 'cap-bounding', keep: capabilities.bounding })
  if (process.noNewPrivileges === true) list.add('no_new_privs', { op: 'prctl', option: PR_SET_NO_NEW_PRIVS, arg2: 1n })
  planPersonality(list, spec.linux?.personality)
  planMemoryPolicy(list, spec.linux?.memoryPolicy)
  if (process.noNewPrivileges !== true) planSeccomp(list, seccomp, host)
  planUser(list, around, process)
  asUser()
  list.add('unable to apply caps', { op: 'cap-set', ...capabilities.sets })
  list.add('unable to apply ambient caps', { op: 'cap-ambient', set: capabilities.ambient })
  if (process.noNewPrivileges === true) planSeccomp(list, seccomp, host)
}

/** Does nothing. */
function nothing(): void {}

/**
 * While still root: the user need not have the right to search the way to its directory. Where root is the one to be refused (EACCES: a
 * network file system) the user tries again.
 * @returns what plans that second try; it finds by a slot that is still full that the first one failed.
 */
function planWorkingDirectory(list: StepList, { cwd, user }: ProcessSpec): () => void {
  const sentence = `chdir to cwd (${quoted(cwd)}) set in config.json failed`
  if ((user?.uid ?? 0) === 0) {
    list.add(sentence, { op: 'chdir', path: cwd })
    return nothing
  }
  const slot = SLOT.marker
  list.add('prepare for a second try', { op: 'open-in-root', slot, path: '/', flags: O_PATH })
  list.add(sentence, { op: 'chdir', path: cwd, skipOn: { errnos: [ERRNO.EACCES], skip: 1 } })
  list.add('there is no need of one', { op: 'close', slot })
  return () => {
    list.add('see whether a second try is needed', { op: 'close', slot, skipOn: { errnos: [ERRNO.EBADF], skip: 1 } })
    list.add(sentence, { op: 'chdir', path: cwd })
  }
}

function planUser(list: StepList, { spec, host, launch }: Surroundings, { user }: ProcessSpec): void {
  const { uid = 0, gid = 0 } = user ?? {}
  const additionalGids = [...new Set(user?.additionalGids)]
  const sentence = 'unable to setup user'
  if (launch?.rootless === true) {
    if (additionalGids.length > 0)
      refuse('process.user.additionalGids: cannot set any additional groups in a rootless container')
    list.add(sentence, { op: 'set-ids', uid, gid })
  } else if (host.deniesSetgroups === true) list.add(sentence, { op: 'set-ids', uid, gid })
  else if (joinedPath(spec, 'user') === undefined)
    list.add(sentence, { op: 'set-ids', uid, gid, groups: additionalGids })
  else {
    // Whether somebody else's user namespace lets groups be set shows only there.
    const skipOn = { errnos: [ERRNO.EPERM], skip: 0 }
    list.add(sentence, { op: 'set-ids', uid, gid, groups: additionalGids, skipOn })
    list.add(sentence, { op: 'set-ids', uid, gid })
  }
}

/** The program is looked for as the user who will run it. */
export function planProcessEnd(
  list: StepList,
  { rootfs, launch }: Pick<Surroundings, 'rootfs' | 'launch'>,
  process: ProcessSpec,
  beforeExec: (env: readonly string[]) => void = nothing,
): void {
  const argv = process.args ?? []
  const program = argv[0]
  if (program === undefined) refuse('process.args: at least the program is required')
  const env = planEnvironment(process, rootfs)
  list.add(`exec: ${quoted(program)}`, { op: 'resolve-exec', candidates: programCandidates(program, env) })
  list.add('wait for start', awaitStep(launch))
  beforeExec(env)
  list.add(`exec ${program}`, { op: 'exec', argv, env })
}
