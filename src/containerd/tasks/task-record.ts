// What a restarted daemon, or a shim's `delete`, must know of a task: `task.json` in its bundle, written before anything is made in the kernel.
import { join } from 'node:path'
import { readTextIfExists, replaceFileSync } from '../../base/atomic-file.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import type { Task, TaskStreams } from './task.ts'

export interface TaskRecord {
  version: 1
  namespace: string
  id: string
  cgroupPath: string
  streams: TaskStreams
  execs: Record<string, TaskStreams>
  spec: RuntimeSpec
}

const FILE = 'task.json'

export function writeTaskRecord(bundle: string, record: TaskRecord): void {
  replaceFileSync(join(bundle, FILE), JSON.stringify(record))
}

/** Undefined where there is none, or one of a version that is not ours. */
export function readTaskRecord(bundle: string): TaskRecord | undefined {
  const text = readTextIfExists(join(bundle, FILE))
  if (text === undefined) return undefined
  const record = JSON.parse(text) as TaskRecord
  return record.version === 1 ? record : undefined
}

/** The record as this task's state would write it now. */
export function recordOf(task: Task): TaskRecord {
  const execs = Object.fromEntries([...task.execs].map(([id, process]) => [id, process.streams]))
  return {
    version: 1,
    namespace: task.namespace,
    id: task.id,
    cgroupPath: task.cgroup.path,
    streams: task.init.streams,
    execs,
    spec: task.spec,
  }
}
