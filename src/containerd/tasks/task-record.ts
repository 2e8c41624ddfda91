// What a restarted daemon, or a shim's `delete`, must know of a task: `task.json` in its bundle, written before anything is made in the kernel.
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTextIfExists, removeFileSync, replaceFileSync } from '../../base/atomic-file.ts'
import type { CgroupRecord } from '../../linux/cgroup/cgroup.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import type { RuntimeChoice } from './by-command.ts'
import type { Task, TaskStreams } from './task.ts'

export interface TaskRecord {
  version: 2
  namespace: string
  id: string
  ociBundle: string
  cgroup: CgroupRecord
  runtime: RuntimeChoice
  streams: TaskStreams
  /** Of former daemons; now each has a file of its own. */
  execs?: Record<string, TaskStreams>
  spec: RuntimeSpec
}

const FILE = 'task.json'
const EXEC_FILE = /^streams-(.+)\.json$/
const VERSION = 2

export function writeTaskRecord(task: Task): void {
  const { namespace, id, ociBundle, runtime, spec } = task
  const cgroup = task.cgroup.describe()
  const streams = task.init.streams
  const record: TaskRecord = { version: VERSION, namespace, id, ociBundle, cgroup, runtime, streams, spec }
  replaceFileSync(join(task.bundle, FILE), JSON.stringify(record))
}

/**
 * A further process is about to be made: one new file, because to replace the task's costs milliseconds where the bundle is on a disk. Nobody reads one that is cut short: the
 * daemon that wrote it has made nothing yet.
 */
export function writeExecRecord(task: Task, execId: string, streams: TaskStreams): void {
  writeFileSync(execRecordPath(task.bundle, execId), JSON.stringify(streams), { mode: 0o600 })
}

export function removeExecRecord(task: Task, execId: string): void {
  removeFileSync(execRecordPath(task.bundle, execId))
}

/** By the execs' ids; what cannot be read is left out. */
export function readExecRecords(bundle: string): Record<string, TaskStreams> {
  const names = readdirSync(bundle).flatMap((file) => EXEC_FILE.exec(file)?.[1] ?? [])
  return Object.fromEntries(
    names.flatMap((name) => {
      const streams = parseStreams(readTextIfExists(execRecordPath(bundle, name)) ?? '')
      return streams === undefined ? [] : [[name, streams]]
    }),
  )
}

function execRecordPath(bundle: string, execId: string): string {
  return join(bundle, `streams-${execId}.json`)
}

function parseStreams(text: string): TaskStreams | undefined {
  try {
    return JSON.parse(text) as TaskStreams
  } catch {
    return undefined // cut short by a crash
  }
}

/** Undefined where there is none, or one of a version that is not ours. */
export function readTaskRecord(bundle: string): TaskRecord | undefined {
  const text = readTextIfExists(join(bundle, FILE))
  if (text === undefined) return undefined
  const record = JSON.parse(text) as TaskRecord
  return record.version === VERSION ? record : undefined
}
