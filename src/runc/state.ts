// `state`: the container as runtime.md has it.
import type { Command } from './command.ts'
import { stateDocument, statusOf } from './container-status.ts'
import { print } from './output.ts'
import { loadState } from './state-store.ts'

export const state: Command = ({ settings, args }) => {
  const record = loadState(settings.root, args[0] ?? '')
  print(JSON.stringify(stateDocument(record, statusOf(settings.root, record)), null, 2))
  return 0
}
