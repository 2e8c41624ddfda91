// Bundles of tasks in the state directory.
import { join } from 'node:path'
import { readTaskRecord, type TaskRecord } from '../tasks/task-record.ts'
import { listDirectory } from './check-content.ts'
import type { Finding } from './finding.ts'
import type { Records } from './load-records.ts'

export function checkTasks(state: string, records: Records): Finding[] {
  return listBundles(state).flatMap(({ bundle, record }): Finding[] => {
    if (record === 'unreadable')
      return [
        {
          code: 'bundle-unreadable',
          subject: bundle,
          text: 'its task.json cannot be read; what runs there is not known',
        },
      ]
    if (record === undefined)
      return [
        {
          code: 'bundle-without-record',
          subject: bundle,
          text: 'nothing was made there yet',
          repair: [{ kind: 'at-start' }],
        },
      ]
    if (records.raw.has(`containers:${record.namespace}/${record.id}`)) return []
    return [
      {
        code: 'task-without-container',
        subject: record.id,
        text: `its container in namespace ${record.namespace} is gone`,
      },
    ]
  })
}

export interface Bundle {
  bundle: string
  record: TaskRecord | 'unreadable' | undefined
}

export function listBundles(state: string): Bundle[] {
  const tasks = join(state, 'tasks')
  return listDirectory(tasks)
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name: namespace }) =>
      listDirectory(join(tasks, namespace)).map(({ name }) => join(tasks, namespace, name)),
    )
    .map((bundle) => ({ bundle, record: recordOf(bundle) }))
}

function recordOf(bundle: string): Bundle['record'] {
  try {
    return readTaskRecord(bundle)
  } catch {
    return 'unreadable'
  }
}
