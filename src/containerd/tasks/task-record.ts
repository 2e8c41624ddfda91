// What a restarted daemon, or a shim's `delete`, must know of a task: `task.json` in its bundle, written before anything is made in the kernel.
import { join } from 'node:path'
import { readTextIfExists, replaceFileSync } from '../../base/atomic-file.ts'
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
  execs: Record<string, TaskStreams>
  spec: RuntimeSpec
}

const FILE = 'task.json'
const VERSION = 2

export function writeTaskRecord(task: Task): void {
  const { namespace, id, ociBundle, runtime, spec } = task
  const execs = Object.fromEntries([...task.execs].map(([name, process]) => [name, process.streams]))
  const cgroup = task.cgroup.describe()
  const streams = task.init.streams
  const record: TaskRecord = { version: VERSION, namespace, id, ociBundle, cgroup, runtime, streams, execs, spec }
  replaceFileSync(join(task.bundle, FILE), JSON.stringify(record))
}

/** Undefined where there is none, or one of a version that is not ours. */
export function readTaskRecord(bundle: string): TaskRecord | undefined {
  const text = readTextIfExists(join(bundle, FILE))
  if (text === undefined) return undefined
  const record = JSON.parse(text) as TaskRecord
  return record.version === VERSION ? record : undefined
}
