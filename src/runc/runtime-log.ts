// The runtime's log as its callers read it: logrus' text or JSON, a line each, on standard error or in the file they named.
import { closeSync, openSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import { messageOf } from '../base/failure.ts'
import { printError, writeAll } from './output.ts'

export type Level = 'debug' | 'info' | 'warning' | 'error'

export interface RuntimeLogSettings {
  path: string | undefined
  format: string
  isDebug: boolean
}

export interface RuntimeLog {
  /** Its lines go to standard error already. */
  readonly isStandardError: boolean
  write(level: Level, message: string): void
}

const FORMATS: Record<string, (level: Level, message: string, time: string) => string> = {
  text: (level, message, time) => `time=${JSON.stringify(time)} level=${level} msg=${quote(message)}\n`,
  json: (level, message, time) => `${JSON.stringify({ level, msg: message, time })}\n`,
}

/** Throws Failure where the file cannot be opened or the format is none. */
export function openRuntimeLog({ path, format, isDebug }: RuntimeLogSettings): RuntimeLog {
  const formatLine = FORMATS[format]
  if (formatLine === undefined) throw new Failure('invalid-argument', `invalid log-format: ${format}`)
  const file = destinationOf(path)
  if (file !== undefined) closeSync(openLog(file)) // it is there as soon as the runtime is, also where nothing goes wrong
  return {
    isStandardError: file === undefined,
    write(level, message) {
      if (level === 'debug' && !isDebug) return
      const line = formatLine(level, message, now())
      if (file === undefined) return printError(line)
      // Opened for each line: they are few, and no container inherits what is not open.
      const fd = openLog(file)
      try {
        writeAll(fd, line)
      } finally {
        closeSync(fd)
      }
    },
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o644)
  } catch (error) {
    throw new Failure('invalid-argument', messageOf(error), { cause: error })
  }
}

/** crun's callers may name the kind: `file:PATH`. */
function destinationOf(path: string | undefined): string | undefined {
  if (path === undefined || path === '' || path === '/dev/stderr') return undefined
  if (/^(journald|syslog):/.test(path))
    throw new Failure('unimplemented', `log destination ${path}: only files are supported`)
  return path.replace(/^file:/, '')
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z')
}

/** As logrus does: bare where it can't be misread. */
function quote(text: string): string {
  return /^[\w./@^+-]+$/.test(text) ? text : JSON.stringify(text)
}
