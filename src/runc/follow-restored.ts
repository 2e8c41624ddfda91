// In the foreground of a restored container: its first process is our child, its terminal is ours to relay.
import { waitForChild } from './spawn-init.ts'
import { passSignalsOn } from './follow-process.ts'
import { relayTerminal } from './relay-terminal.ts'

/** How often it is asked whether it has ended, where its end is not told in time. */
const LOOK_MS = 1000

/** Resolves with the exit status, 128 + signal for one that was killed. Closes the terminal. */
export async function followRestored(pid: number, terminal: number | undefined): Promise<number> {
  const relay = terminal === undefined ? undefined : relayTerminal(terminal)
  const stop = passSignalsOn(pid)
  try {
    const status = await childEnds(pid)
    await relay?.drain()
    return status
  } finally {
    stop()
    relay?.stop()
  }
}

/** Told by SIGCHLD, which is one for several children that end at once, and none for one that has ended before: so it is asked each time. */
function childEnds(pid: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const look = () => {
      try {
        const status = waitForChild(pid, true)
        if (status === undefined) return
        finish()
        resolve(status)
      } catch (error) {
        finish()
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    }
    const timer = setInterval(look, LOOK_MS)
    const finish = () => {
      clearInterval(timer)
      process.off('SIGCHLD', look)
    }
    process.on('SIGCHLD', look)
    look()
  })
}
