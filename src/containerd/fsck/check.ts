// Everything that berth-containerd keeps, checked against itself. Changes nothing.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkContent } from './check-content.ts'
import { checkReadable, checkReferences } from './check-references.ts'
import { checkSnapshots } from './check-snapshots.ts'
import { checkTasks } from './check-tasks.ts'
import type { Finding } from './finding.ts'
import { loadRecords, type Records } from './load-records.ts'
import { hasThings } from './rebuild-records.ts'

/** Where the database itself is damaged or missing, that is all that is told: the rest cannot be compared with anything. */
export async function check(root: string, state: string): Promise<Finding[]> {
  const records = loadRecords(root)
  const damage = checkDatabases(root, records)
  if (damage.some(({ code }) => code.startsWith('database-'))) return damage
  const readable = checkReadable(records)
  const others = [
    await checkContent(root, records),
    checkSnapshots(root, records),
    checkReferences(records),
    checkTasks(state, records),
  ]
  return [...damage, ...readable, ...others.flat()]
}

function checkDatabases(root: string, { pages, journal }: Records): Finding[] {
  const path = join(root, 'meta.db')
  const rebuild = [{ kind: 'at-start' }] as const
  const damaged = pages.problems.map(
    (text) => ({ code: 'database-damaged', subject: path, text, repair: rebuild }) as const,
  )
  const isMissing = !existsSync(path) && hasThings(root)
  const missing = isMissing
    ? [
        {
          code: 'database-missing',
          subject: path,
          text: 'there are blobs or snapshots, but no records',
          repair: rebuild,
        } as const,
      ]
    : []
  const torn = journal.torn.map(
    ({ name }) =>
      ({
        code: 'journal-torn',
        subject: name,
        text: 'its end is not whole, and does not count',
        repair: rebuild,
      }) as const,
  )
  const stray = journal.stray.map(
    (name) =>
      ({
        code: 'journal-stray',
        subject: name,
        text: 'what comes before it is missing, so it does not count',
        repair: rebuild,
      }) as const,
  )
  return [...missing, ...damaged, ...torn, ...stray]
}
