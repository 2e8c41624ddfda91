// Warnings and errors in the form of the Docker CLI's logger.
import { isTerminal, print } from './streams.ts'

const COLORS = { warning: 33, error: 31 } as const

/** To standard error: `time="…" level=error msg="…"`, shorter and coloured on a terminal. */
export function logLine(level: keyof typeof COLORS, message: string): void {
  if (isTerminal(2)) {
    const seconds = String(Math.floor(process.uptime())).padStart(4, '0')
    print(2, `\x1b[${COLORS[level]}m${level.toUpperCase().slice(0, 4)}\x1b[0m[${seconds}] ${message} \n`)
    return
  }
  const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  print(2, `time="${time}" level=${level} msg=${JSON.stringify(message)}\n`)
}
