// A plan as the bytes that native/plan.c reads (native/README.md, "Plan file").
import type { ProcessPlan, Step } from '../linux/steps.ts'
import { PlanWriter } from './plan-writer.ts'
import type { CommandPlan, ProcessSource, RelayPlan, ShimSettings, StreamPaths } from './shim.ts'
import { STEP_NUMBER, writeStepBody } from './step-body.ts'

const MAGIC = 0x4e4c5042 // "BPLN"
const VERSION = 1
const JOIN_INIT_PID_NAMESPACE = 1
const TERMINAL = 2
const STDIN = 4
const JOIN_PID_NAMESPACE = 8
const STREAM_PATHS = 16
const COMMAND_TERMINAL = 1
const COMMAND_STDIN = 2
const COMMAND_STARTS_AT_ONCE = 4
const COMMAND_STREAM_PATHS = 8
const COMMAND_STREAM_OWNER = 16
const RELAY_TERMINAL = 1
/** What a file holds: the third number of its header. */
const CONTENT = {
  process: 0,
  settingsAndProcess: 1,
  settingsAndCommand: 2,
  command: 3,
  settingsAndRelay: 4,
  relay: 5,
} as const

/** The plan file of a shim: its settings and what its first process is made from. */
export function encodeShimPlan(
  settings: ShimSettings,
  source: ProcessPlan | ProcessSource,
  streams?: StreamPaths,
): Buffer {
  const isCommand = 'command' in source
  const isRelay = 'relay' in source
  const writer = beginPlan(
    isRelay ? CONTENT.settingsAndRelay : isCommand ? CONTENT.settingsAndCommand : CONTENT.settingsAndProcess,
  )
  writeSettings(settings, writer)
  if (isRelay) writeRelay(source.relay, writer)
  else if (isCommand) writeCommand(source.command, streams, writer)
  else writeProcess('plan' in source ? source.plan : source, streams, writer)
  return writer.finish()
}

/** The plan file of a further process. */
export function encodeExecPlan(plan: ProcessPlan, streams?: StreamPaths): Buffer {
  const writer = beginPlan(CONTENT.process)
  writeProcess(plan, streams, writer)
  return writer.finish()
}

/** The plan file of a further process that another runtime makes. */
export function encodeCommandPlan(command: CommandPlan, streams?: StreamPaths): Buffer {
  const writer = beginPlan(CONTENT.command)
  writeCommand(command, streams, writer)
  return writer.finish()
}

/** The plan file of a further process whose streams are relayed. */
export function encodeRelayPlan(relay: RelayPlan): Buffer {
  const writer = beginPlan(CONTENT.relay)
  writeRelay(relay, writer)
  return writer.finish()
}

function beginPlan(content: number): PlanWriter {
  return new PlanWriter().u32(MAGIC).u16(VERSION).u16(content)
}

const LOG_JSON = 0
const LOG_LOCAL = 1

function writeSettings(settings: ShimSettings, writer: PlanWriter): void {
  writer.text(settings.streamSocketPath ?? '').text(settings.log?.path ?? '')
  writer.u64(BigInt(settings.log?.maxSizeBytes ?? 0)).u32(settings.log?.maxFiles ?? 1)
  writer.u8(settings.log?.driver === 'local' ? LOG_LOCAL : LOG_JSON).bytes(settings.log?.attributes ?? new Uint8Array())
  writer.flag(settings.stdinOnce).u64(BigInt(settings.spillMaxBytes))
  writer.u32(settings.stallSeconds).u32(settings.lingerSeconds)
}

function writePaths(streams: StreamPaths, writer: PlanWriter): void {
  writer.text(streams.stdin).text(streams.stdout).text(streams.stderr)
}

function writeRelay({ terminal, fifos }: RelayPlan, writer: PlanWriter): void {
  writer.u8(terminal ? RELAY_TERMINAL : 0)
  writePaths(fifos, writer)
}

function writeCommand(command: CommandPlan, streams: StreamPaths | undefined, writer: PlanWriter): void {
  const flags =
    (command.terminal ? COMMAND_TERMINAL : 0) |
    (command.stdin ? COMMAND_STDIN : 0) |
    (command.startsAtOnce ? COMMAND_STARTS_AT_ONCE : 0) |
    (streams === undefined ? 0 : COMMAND_STREAM_PATHS) |
    (command.streamOwner === undefined ? 0 : COMMAND_STREAM_OWNER)
  writer.texts(command.argv).texts(command.env).text(command.cwd).text(command.pidFile)
  writer.u8(flags).text(command.consoleSocket)
  if (streams !== undefined) writePaths(streams, writer)
  if (command.streamOwner !== undefined) writer.u32(command.streamOwner.uid).u32(command.streamOwner.gid)
}

function writeProcess(plan: ProcessPlan, streams: StreamPaths | undefined, writer: PlanWriter): void {
  const flags =
    (plan.joinInitPidNamespace ? JOIN_INIT_PID_NAMESPACE : 0) |
    (plan.terminal ? TERMINAL : 0) |
    (plan.stdin ? STDIN : 0) |
    (plan.pidNamespacePath === undefined ? 0 : JOIN_PID_NAMESPACE) |
    (streams === undefined ? 0 : STREAM_PATHS)
  writer.u64(BigInt(plan.cloneFlags)).u8(flags)
  writer.text(plan.cgroupDirectory ?? '')
  if (plan.pidNamespacePath !== undefined) writer.text(plan.pidNamespacePath)
  if (streams !== undefined) writePaths(streams, writer)
  writer.u32(plan.steps.length)
  for (const step of plan.steps) writeStep(step, writer)
}

function writeStep(step: Step, writer: PlanWriter): void {
  const { errnos, skip } = step.skipOn ?? { errnos: [], skip: 0 }
  writer.u8(STEP_NUMBER[step.op]).u8(skip).u8(errnos.length)
  for (const errno of errnos) writer.u32(errno)
  writer.sized(() => writeStepBody(step, writer))
}
