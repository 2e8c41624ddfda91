// A failed step in the words that users, the Docker CLI and scripts know (dockerd hands runc's texts on).
import { Failure, type FailureCode } from '../base/failure.ts'
import { codeOfErrno, ERRNO, errnoText } from '../linux/kernel-error.ts'
import type { Step } from '../linux/steps.ts'
import { CPUS_AND_SCHEDULER } from './plan-scheduling.ts'
import type { DescribedPlan, ExplainStepFailure } from './plan-types.ts'

/** @returns a Failure whose text is the inner part: `exec: "nope": executable file not found in $PATH`. */
export const explainStepFailure: ExplainStepFailure = (described, { step, errno }) => {
  const failed = step === undefined ? undefined : described.plan.steps[step]
  const sentence = step === undefined ? undefined : described.sentences[step]
  if (failed === undefined || sentence === undefined)
    return new Failure(codeOfErrno(errno), `container process: ${errnoText(errno)}`)
  return new Failure(codeFor(failed, errno), textFor(described, failed, sentence, errno))
}

function textFor(described: DescribedPlan, step: Step, sentence: string, errno: number): string {
  switch (step.op) {
    case 'resolve-exec':
      return `${sentence}: ${missingProgram(described, errno)}`
    case 'rlimit':
      return `error setting rlimits for ready process: ${sentence}: ${errnoText(errno)}`
    case 'seccomp':
      return `unable to init seccomp: ${sentence}: ${errnoText(errno)}`
    case 'run-hook':
      return `${sentence}: ${hookFailure(step, errno)}`
    case 'scheduler':
      return sentence === CPUS_AND_SCHEDULER && errno !== ERRNO.EPERM
        ? `error setting scheduler: ${errnoText(errno)}`
        : sentence === CPUS_AND_SCHEDULER
          ? sentence
          : `${sentence}: ${errnoText(errno)}`
    case 'set-ids':
      return `${sentence}: ${errno === ERRNO.EINVAL ? unmappedId(step) : errnoText(errno)}`
    case 'move-mount':
      // The kernel's word for a file upon a directory, and for the contrary, which callers want to hear of.
      return `${asMountError(sentence) ?? sentence}: ${errnoText(errno === ERRNO.EINVAL ? ERRNO.ENOTDIR : errno)}`
    default:
      return `${asMountError(sentence) ?? sentence}: ${errnoText(errno)}`
  }
}

/** Go's exec.LookPath: a bare name was looked for along PATH, a path was asked for itself. */
function missingProgram({ plan }: DescribedPlan, errno: number): string {
  const last = plan.steps.at(-1)
  const program = last?.op === 'exec' ? (last.argv[0] ?? '') : ''
  if (errno !== ERRNO.ENOENT) return errnoText(errno)
  return program.includes('/') ? `stat ${program}: ${errnoText(errno)}` : 'executable file not found in $PATH'
}

function hookFailure({ path, timeoutSeconds }: Extract<Step, { op: 'run-hook' }>, errno: number): string {
  if (errno === ECANCELED) return `${path} ended with an error`
  if (errno === ERRNO.ETIMEDOUT) return `hook ran past specified timeout of ${timeoutSeconds.toFixed(1)}s`
  return `fork/exec ${path}: ${errnoText(errno)}`
}

/** The step's word for a hook that exits with another code than 0. */
const ECANCELED = 125

/** What else could be wrong with an id: nobody has it there. */
function unmappedId({ uid, gid }: { uid: number; gid: number }): string {
  return `cannot set uid ${uid} and gid ${gid}: not both are mapped in the user namespace`
}

const MOUNT_SENTENCE = /^mount ("(?:[^"\\]|\\.)*") at ("(?:[^"\\]|\\.)*"): (.*)$/s

function asMountError(sentence: string): string | undefined {
  const [, source, destination, act] = MOUNT_SENTENCE.exec(sentence) ?? []
  return act === undefined ? undefined : `error mounting ${source} to rootfs at ${destination}: ${act}`
}

/** A program or a path that is not there is the caller's mistake, whatever the kernel calls it. */
function codeFor(step: Step, errno: number): FailureCode {
  if (step.op === 'resolve-exec' || step.op === 'exec' || step.op === 'chdir') return 'invalid-argument'
  if (step.op === 'run-hook') return 'failed-precondition'
  return codeOfErrno(errno)
}
