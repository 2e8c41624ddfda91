// A plan as the bytes that native/plan.c reads (native/README.md, "Plan file").
import type { ProcessPlan, Step } from '../linux/steps.ts'
import { PlanWriter } from './plan-writer.ts'
import type { ShimSettings } from './shim.ts'
import { STEP_NUMBER, writeStepBody } from './step-body.ts'

const MAGIC = 0x4e4c5042 // "BPLN"
const VERSION = 1
const JOIN_INIT_PID_NAMESPACE = 1
const TERMINAL = 2
const STDIN = 4
const JOIN_PID_NAMESPACE = 8

/** The plan file of a shim: its settings and its first process. */
export function encodeShimPlan(settings: ShimSettings, plan: ProcessPlan): Buffer {
  const writer = new PlanWriter().u32(MAGIC).u16(VERSION).u16(1)
  writer.text(settings.streamSocketPath ?? '').text(settings.log?.path ?? '')
  writer.u64(BigInt(settings.log?.maxSizeBytes ?? 0)).u32(settings.log?.maxFiles ?? 1)
  writer.flag(settings.stdinOnce).u64(BigInt(settings.spillMaxBytes))
  writer.u32(settings.stallSeconds).u32(settings.lingerSeconds)
  writeProcess(plan, writer)
  return writer.finish()
}

/** The plan file of a further process. */
export function encodeExecPlan(plan: ProcessPlan): Buffer {
  const writer = new PlanWriter().u32(MAGIC).u16(VERSION).u16(0)
  writeProcess(plan, writer)
  return writer.finish()
}

function writeProcess(plan: ProcessPlan, writer: PlanWriter): void {
  const flags =
    (plan.joinInitPidNamespace ? JOIN_INIT_PID_NAMESPACE : 0) |
    (plan.terminal ? TERMINAL : 0) |
    (plan.stdin ? STDIN : 0) |
    (plan.pidNamespacePath === undefined ? 0 : JOIN_PID_NAMESPACE)
  writer.u64(BigInt(plan.cloneFlags)).u8(flags)
  writer.text(plan.cgroupDirectory ?? '')
  if (plan.pidNamespacePath !== undefined) writer.text(plan.pidNamespacePath)
  writer.u32(plan.steps.length)
  for (const step of plan.steps) writeStep(step, writer)
}

function writeStep(step: Step, writer: PlanWriter): void {
  const { errnos, skip } = step.skipOn ?? { errnos: [], skip: 0 }
  writer.u8(STEP_NUMBER[step.op]).u8(skip).u8(errnos.length)
  for (const errno of errnos) writer.u32(errno)
  writer.sized(() => writeStepBody(step, writer))
}
