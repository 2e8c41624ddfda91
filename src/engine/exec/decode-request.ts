// The bodies of exec's create and start, checked once. Throws invalid-argument.
import { Failure } from '../../base/failure.ts'
import { BOOL, decodeGo, each, INTEGER, list, STRING, struct, WORDS } from '../http/go-json.ts'
import type { ExecConfig } from './exec-store.ts'

interface ExecFields {
  Cmd?: string[] | null
  Env?: string[] | null
  User?: string
  WorkingDir?: string
  DetachKeys?: string
  Privileged?: boolean
  Tty?: boolean
  Detach?: boolean
  AttachStdin?: boolean
  AttachStdout?: boolean
  AttachStderr?: boolean
  ConsoleSize?: number[] | null
}

const FIELDS = {
  Cmd: WORDS,
  Env: list(STRING),
  ...each(STRING, 'User WorkingDir DetachKeys'),
  ...each(BOOL, 'Privileged Tty Detach AttachStdin AttachStdout AttachStderr'),
  ConsoleSize: list(INTEGER),
}
const CREATE = struct('ExecOptions', FIELDS)
const START = struct('ExecStartOptions', FIELDS)

export type DecodedExecConfig = Omit<ExecConfig, 'detachKeys'>

export function decodeExecConfig(body: unknown): {
  -readonly [Key in keyof DecodedExecConfig]: DecodedExecConfig[Key]
} {
  if (body === undefined || body === null)
    throw new Failure('invalid-argument', 'invalid JSON: got EOF while reading request body')
  const fields = decodeGo(body, CREATE) as ExecFields
  const command = fields.Cmd ?? []
  if (command.length === 0) throw new Failure('invalid-argument', 'No exec command specified')
  return {
    command,
    env: fields.Env ?? [],
    user: fields.User ?? '',
    workingDir: fields.WorkingDir ?? '',
    privileged: fields.Privileged === true,
    terminal: fields.Tty === true,
    attachStdin: fields.AttachStdin === true,
    attachStdout: fields.AttachStdout === true,
    attachStderr: fields.AttachStderr === true,
    detachKeysText: fields.DetachKeys ?? '',
    consoleSize: sizeOf(fields.ConsoleSize),
  }
}

export interface DecodedExecStart {
  detach: boolean
  terminal: boolean
  consoleSize: readonly [height: number, width: number] | undefined
}

export function decodeExecStart(body: unknown): DecodedExecStart {
  const fields = decodeGo(body ?? {}, START) as ExecFields
  return { detach: fields.Detach === true, terminal: fields.Tty === true, consoleSize: sizeOf(fields.ConsoleSize) }
}

function sizeOf(size: readonly number[] | null | undefined): readonly [height: number, width: number] | undefined {
  if (size === undefined || size === null) return undefined
  const [height = 0, width = 0] = size
  const clamp = (cells: number) => Math.min(Math.max(cells, 0), 0xffff)
  return [clamp(height), clamp(width)]
}
