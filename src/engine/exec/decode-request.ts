// The bodies of exec's create and start, checked once. Throws invalid-argument.
import { Failure } from '../../base/failure.ts'
import type { ExecConfig } from './exec-store.ts'

type Fields = Readonly<Record<string, unknown>>

export type DecodedExecConfig = Omit<ExecConfig, 'detachKeys'>

export function decodeExecConfig(body: unknown): {
  -readonly [Key in keyof DecodedExecConfig]: DecodedExecConfig[Key]
} {
  const fields = asFields(body)
  const command = typeof fields['Cmd'] === 'string' ? [fields['Cmd']] : strings(fields, 'Cmd')
  if (command.length === 0) throw new Failure('invalid-argument', 'No exec command specified')
  return {
    command,
    env: strings(fields, 'Env'),
    user: text(fields, 'User'),
    workingDir: text(fields, 'WorkingDir'),
    privileged: truth(fields, 'Privileged'),
    terminal: truth(fields, 'Tty'),
    attachStdin: truth(fields, 'AttachStdin'),
    attachStdout: truth(fields, 'AttachStdout'),
    attachStderr: truth(fields, 'AttachStderr'),
    detachKeysText: text(fields, 'DetachKeys'),
    consoleSize: size(fields),
  }
}

export interface DecodedExecStart {
  detach: boolean
  terminal: boolean
  consoleSize: readonly [height: number, width: number] | undefined
}

export function decodeExecStart(body: unknown): DecodedExecStart {
  const fields = asFields(body ?? {})
  return { detach: truth(fields, 'Detach'), terminal: truth(fields, 'Tty'), consoleSize: size(fields) }
}

function asFields(body: unknown): Fields {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Failure('invalid-argument', 'invalid JSON: an object is expected')
  return body as Fields
}

function text(fields: Fields, name: string): string {
  const value = fields[name] ?? ''
  if (typeof value !== 'string') throw wrong(name)
  return value
}

function truth(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false
  if (typeof value !== 'boolean') throw wrong(name)
  return value
}

function strings(fields: Fields, name: string): string[] {
  const value = fields[name] ?? []
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) throw wrong(name)
  return value
}

function size(fields: Fields): readonly [height: number, width: number] | undefined {
  const value = fields['ConsoleSize']
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value) || value.length !== 2 || !value.every((each) => Number.isSafeInteger(each) && each >= 0))
    throw wrong('ConsoleSize')
  return [Math.min(Number(value[0]), 0xffff), Math.min(Number(value[1]), 0xffff)]
}

function wrong(name: string): Failure {
  return new Failure('invalid-argument', `invalid JSON: cannot unmarshal the value of field ${name}`)
}
