// The shim's own tables against the messages of proto/: what one writes, the other reads, field by field.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, type DescField, type DescMessage, fromBinary, ScalarType, toBinary } from '@bufbuild/protobuf'
import { AnySchema, EmptySchema, TimestampSchema } from '@bufbuild/protobuf/wkt'
import * as events from '../gen/events/task_pb.ts'
import { MetricsSchema as MetricsV1Schema } from '../gen/metrics/cgroups_v1_pb.ts'
import { MetricsSchema as MetricsV2Schema } from '../gen/metrics/cgroups_v2_pb.ts'
import * as runc from '../gen/runc/options_pb.ts'
import * as bootstrap from '../gen/runtime/bootstrap_pb.ts'
import * as sandbox from '../gen/runtime/sandbox_pb.ts'
import * as task from '../gen/runtime/task_pb.ts'
import { ForwardRequestSchema } from '../gen/services/forward_pb.ts'
import { RequestSchema, ResponseSchema } from '../gen/ttrpc/request_pb.ts'
import { EnvelopeSchema } from '../gen/types/event_pb.ts'
import { RuntimeInfoSchema } from '../gen/types/runtime_info_pb.ts'
import type { Codec } from '../wire/protobuf/message.ts'
import { Request, Response } from '../wire/ttrpc/messages.ts'
import * as packedEvents from './event-messages.ts'
import * as m from '../wire/shim-v2/messages.ts'
import { Metrics as MetricsV1 } from '../wire/shim-v2/metrics-v1.ts'
import { Metrics as MetricsV2 } from '../wire/shim-v2/metrics-v2.ts'

const PAIRS: [Codec<unknown, never>, DescMessage][] = [
  [Request, RequestSchema],
  [Response, ResponseSchema],
  [m.Any, AnySchema],
  [m.Timestamp, TimestampSchema],
  [m.Empty, EmptySchema],
  [m.CreateTaskRequest, task.CreateTaskRequestSchema],
  [m.PidResponse, task.CreateTaskResponseSchema],
  [m.PidResponse, task.StartResponseSchema],
  [m.ProcessRequest, task.StartRequestSchema],
  [m.ProcessRequest, task.DeleteRequestSchema],
  [m.ProcessRequest, task.StateRequestSchema],
  [m.ProcessRequest, task.WaitRequestSchema],
  [m.ContainerRequest, task.PidsRequestSchema],
  [m.ContainerRequest, task.PauseRequestSchema],
  [m.ContainerRequest, task.ResumeRequestSchema],
  [m.ContainerRequest, task.StatsRequestSchema],
  [m.ContainerRequest, task.ConnectRequestSchema],
  [m.DeleteResponse, task.DeleteResponseSchema],
  [m.WaitResponse, task.WaitResponseSchema],
  [m.ExecProcessRequest, task.ExecProcessRequestSchema],
  [m.ResizePtyRequest, task.ResizePtyRequestSchema],
  [m.StateResponse, task.StateResponseSchema],
  [m.KillRequest, task.KillRequestSchema],
  [m.CloseIORequest, task.CloseIORequestSchema],
  [m.PidsResponse, task.PidsResponseSchema],
  [m.CheckpointTaskRequest, task.CheckpointTaskRequestSchema],
  [m.UpdateTaskRequest, task.UpdateTaskRequestSchema],
  [m.StatsResponse, task.StatsResponseSchema],
  [m.ConnectResponse, task.ConnectResponseSchema],
  [m.ShutdownRequest, task.ShutdownRequestSchema],
  [m.SandboxRequest, sandbox.StartSandboxRequestSchema],
  [m.StartSandboxResponse, sandbox.StartSandboxResponseSchema],
  [m.PlatformResponse, sandbox.PlatformResponseSchema],
  [m.WaitResponse, sandbox.WaitSandboxResponseSchema],
  [m.SandboxStatusResponse, sandbox.SandboxStatusResponseSchema],
  [m.SandboxMetricsResponse, sandbox.SandboxMetricsResponseSchema],
  [m.Envelope, EnvelopeSchema],
  [m.ForwardRequest, ForwardRequestSchema],
  [m.Options, runc.OptionsSchema],
  [m.CheckpointOptions, runc.CheckpointOptionsSchema],
  [m.ProcessDetails, runc.ProcessDetailsSchema],
  [m.BootstrapParams, bootstrap.BootstrapParamsSchema],
  [m.BootstrapResult, bootstrap.BootstrapResultSchema],
  [m.RuntimeInfo, RuntimeInfoSchema],
  [MetricsV1, MetricsV1Schema],
  [MetricsV2, MetricsV2Schema],
  [packedEvents.TaskCreate, events.TaskCreateSchema],
  [packedEvents.TaskStart, events.TaskStartSchema],
  [packedEvents.TaskDelete, events.TaskDeleteSchema],
  [packedEvents.TaskExit, events.TaskExitSchema],
  [packedEvents.TaskExecAdded, events.TaskExecAddedSchema],
  [packedEvents.TaskExecStarted, events.TaskExecStartedSchema],
  [packedEvents.TaskNamed, events.TaskOOMSchema],
  [packedEvents.TaskNamed, events.TaskPausedSchema],
  [packedEvents.TaskNamed, events.TaskResumedSchema],
  [packedEvents.TaskCheckpointed, events.TaskCheckpointedSchema],
]

/** Fields that the shim has no use for. */
const UNUSED = new Set([
  'Platform.osVersion',
  'Platform.osFeatures',
  'BootstrapResult.capabilities',
  'BootstrapResult.metadata',
])

for (const [codec, schema] of PAIRS)
  test(`${schema.typeName} is the same both ways`, () => {
    const full = create(schema, filled(schema, 0))
    const bytes = toBinary(schema, full)
    const decoded = codec.decode(bytes)
    assert.deepEqual(plain(decoded), plain(full))
    const again = codec.encode(decoded as never)
    assert.deepEqual(plain(fromBinary(schema, again)), plain(full))
    assert.equal(
      codec.encode(codec.decode(new Uint8Array(0)) as never).length,
      0,
      'nothing is written of what is nothing',
    )
  })

/** A value in each field, no two the same. */
function filled(schema: DescMessage, salt: number): Record<string, unknown> {
  const fields = schema.fields.filter((field) => !UNUSED.has(`${schema.name}.${field.localName}`))
  return Object.fromEntries(fields.map((field) => [field.localName, fieldValue(field, salt + field.number)]))
}

function fieldValue(field: DescField, salt: number): unknown {
  switch (field.fieldKind) {
    case 'scalar':
      return scalar(field.scalar, salt)
    case 'enum':
      return 1
    case 'message':
      return filled(field.message, salt)
    case 'map':
      return { [`key ${salt}`]: `välue ${salt}`, '': '' }
    case 'list':
      return field.listKind === 'message'
        ? [filled(field.message, salt), filled(field.message, salt + 1000)]
        : field.listKind === 'scalar'
          ? [scalar(field.scalar, salt), scalar(field.scalar, salt + 1)]
          : [1]
  }
}

function scalar(type: ScalarType, salt: number): unknown {
  switch (type) {
    case ScalarType.STRING:
      return `text ${salt} ✓`
    case ScalarType.BYTES:
      return Uint8Array.from([0, salt & 0xff, 0xff])
    case ScalarType.BOOL:
      return true
    case ScalarType.DOUBLE:
      return salt / 7
    case ScalarType.INT32:
      return -salt
    case ScalarType.UINT32:
      return 0xffffffff - salt
    case ScalarType.INT64:
      return -(1n << 62n) + BigInt(salt)
    case ScalarType.UINT64:
      return (1n << 64n) - BigInt(salt)
    default:
      throw new Error(`a field of type ${type}: not in the tables`)
  }
}

/** Without the library's own marks, and bytes as lists: classes are not what is compared. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(
    ([key, inner]) => !key.startsWith('$') && !UNUSED.has(`${typeOf(value)}.${key}`) && inner !== undefined,
  )
  return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner)]))
}

function typeOf(value: object): string {
  return '$typeName' in value ? String(value.$typeName).replace(/^.*\./, '') : ''
}

test('bytes that are no message are refused, field by field or at the end', () => {
  const wrong: [string, string][] = [
    ['0a', 'the message ends within a number'],
    ['0a05616263', 'the message ends within a field'],
    ['78ffffffffffffffffffff01', 'a number is too long'],
    ['0a02c328', 'a text is not UTF-8'],
    ['0801', 'field 1 has wire type 0'],
    ['0b', 'field 1 has wire type 3'],
    ['00', 'field number 0'],
    ['f30f', 'wire type 3'],
    ['0affffffffffffffffff01', 'the message ends within a field'],
  ]
  for (const [hex, reason] of wrong)
    assert.throws(() => m.ProcessRequest.decode(Buffer.from(hex, 'hex')), new RegExp(reason), hex)
})

test('what a newer peer sends besides is passed over', () => {
  const known = m.ProcessRequest.encode({ id: 'a', execId: 'b' })
  const unknown = Buffer.from('f80105' + 'fa0103616263' + 'f90100000000000000ff' + 'fd01000000ff', 'hex')
  assert.deepEqual(m.ProcessRequest.decode(Buffer.concat([unknown, known, unknown])), { id: 'a', execId: 'b' })
})
