// What a container is doing, with what is remembered of its last run: Docker's `State`.
import { ZERO_TIME } from '../../base/clock.ts'
import type { Health } from './health-result.ts'

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead'

/** In the order in which Docker's errors name them. */
export const CONTAINER_STATUSES: readonly ContainerStatus[] = [
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
]

export interface ContainerState {
  status: ContainerStatus
  /** 0 unless running or paused. */
  pid: number
  exitCode: number
  error: string
  oomKilled: boolean
  /** RFC 3339; Go's zero time where it never happened. */
  startedAt: string
  finishedAt: string
  /** Of containers with a health check, from the first start on. */
  health?: Health
}

export function initialState(): ContainerState {
  return {
    status: 'created',
    pid: 0,
    exitCode: 0,
    error: '',
    oomKilled: false,
    startedAt: ZERO_TIME,
    finishedAt: ZERO_TIME,
  }
}

/** There is a process. */
export function isAlive(state: ContainerState): boolean {
  return state.status === 'running' || state.status === 'paused'
}

/** Docker's `Running`: also between two tries of a restart policy. */
export function countsAsRunning(state: ContainerState): boolean {
  return isAlive(state) || state.status === 'restarting'
}

/** How a run ended, as waiters are told. */
export interface ExitStatus {
  exitCode: number
  /** Why it could not be started; '' if it could. */
  error: string
}
