// What depends on who makes the process: where it waits for its start, where its terminal's master goes, what it keeps open.
import { O_RDWR } from '../linux/constants.ts'
import { CONSOLE_SOCKET_SLOT, type Slot, type Step } from '../linux/steps.ts'
import type { Launch } from './plan-types.ts'
import { SLOT, type StepList } from './step-list.ts'

/** As far as an exec knows it too. */
type Way = Pick<Launch, 'wait' | 'consoleSocket' | 'preservedDescriptors' | 'byShim'>

/** Paths of the host are opened first of all: later the host is out of sight, or out of reach for whom the process has become. */
export function planHostOpenings(list: StepList, launch: Way | undefined, terminal: boolean): void {
  if (launch === undefined) return
  if (launch.wait !== 'channel') {
    // For reading and writing: neither open waits for the other end, and a starter of a dead process finds no reader.
    for (const [slot, path] of [
      [SLOT.fifo, launch.wait.fifo],
      [SLOT.status, launch.wait.status],
    ] as const)
      list.add(`open ${path}`, { op: 'open-host', slot, path, flags: O_RDWR })
  }
  if (terminal && launch.consoleSocket !== undefined)
    list.add(`connect to the console socket ${launch.consoleSocket}`, {
      op: 'connect-unix',
      slot: SLOT.consoleSocket,
      path: launch.consoleSocket,
    })
}

/** Where the terminal's master goes; undefined: over the channel, to berth-shim. */
export function consoleSocketSlot(launch: Way | undefined): Slot | undefined {
  if (launch === undefined || launch.byShim === true) return undefined
  return launch.consoleSocket === undefined ? CONSOLE_SOCKET_SLOT : SLOT.consoleSocket
}

export function awaitStep(launch: Way | undefined): Step {
  return launch === undefined || launch.wait === 'channel'
    ? { op: 'await-start' }
    : { op: 'await-fifo', fifo: SLOT.fifo, status: SLOT.status }
}

export function closeStep(launch: Way | undefined): Step {
  const preserved = launch?.preservedDescriptors ?? 0
  return preserved === 0 ? { op: 'close-fds' } : { op: 'close-fds', from: 3 + preserved }
}
