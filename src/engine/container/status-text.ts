// The STATUS column of `docker ps`.
import { unreachable } from '../../base/failure.ts'
import type { ContainerState } from './container-state.ts'
import { humanDuration } from './human-duration.ts'

export function statusText(state: ContainerState, nowMs: number): string {
  const since = (time: string) => humanDuration(nowMs - Date.parse(time))
  switch (state.status) {
    case 'created':
      return 'Created'
    case 'running':
      return `Up ${since(state.startedAt)}${healthText(state)}`
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`
    case 'removing':
      return 'Removal In Progress'
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`
    case 'dead':
      return 'Dead'
    default:
      return unreachable(state.status)
  }
}

function healthText({ health }: ContainerState): string {
  if (health === undefined) return ''
  return health.Status === 'starting' ? ' (health: starting)' : ` (${health.Status})`
}
