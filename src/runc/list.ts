// `list`: the containers below the root, as a table, as JSON or as bare ids.
import { statSync } from 'node:fs'
import { Failure, messageOf } from '../base/failure.ts'
import type { Command } from './command.ts'
import { stateDocument, statusOf } from './container-status.ts'
import { print } from './output.ts'
import { type ContainerRecord, directoryOf, findState, listIds } from './state-store.ts'
import { formatTable } from './table.ts'
import { ownerName } from './user-name.ts'

export const list: Command = ({ settings, options, log }) => {
  const format = options.text('format') ?? 'table'
  const { root } = settings
  const records = listIds(root).flatMap((id): ContainerRecord[] => {
    try {
      return [findState(root, id) ?? []].flat()
    } catch (error) {
      log.write('error', `load container ${id}: ${messageOf(error)}`) // one broken state must not hide the others
      return []
    }
  })
  if (options.flag('quiet')) {
    print(records.map(({ id }) => `${id}\n`).join(''))
    return 0
  }
  const states = records.map((record) => ({
    ...stateDocument(record, statusOf(root, record)),
    owner: ownerName(statSync(directoryOf(root, record.id)).uid),
  }))
  switch (format) {
    case 'table':
      print(formatTable(['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'], states.map(rowOf)))
      return 0
    case 'json':
      print(`${states.length === 0 ? 'null' : JSON.stringify(states)}\n`)
      return 0
    default:
      throw new Failure('invalid-argument', 'invalid format option')
  }
}

function rowOf(state: Record<string, unknown>): string[] {
  return ['id', 'pid', 'status', 'bundle', 'created', 'owner'].map((key) => String(state[key]))
}
