// A shim's own log: the FIFO `log` in its bundle, whose lines go into ours.
import { constants, existsSync, openSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import type { Log, LogLevel } from '../../base/log.ts'
import type { Bundle } from './bundle.ts'
import type { ShimHost } from './shim-host.ts'

const S_IFIFO = 0o010000
/** A longer line is cut: a shim must not fill our memory. */
const LINE_CHARS_MAX = 16 << 10

/** Opened for both, so that neither we nor the shim wait for the other to come, or break when it goes. */
export function drainShimLog(host: ShimHost, bundle: Bundle): { close(): void } {
  const path = join(bundle.path, 'log')
  if (!existsSync(path)) host.kernel.mknod(path, S_IFIFO | 0o700, { major: 0, minor: 0 })
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const socket = new net.Socket({ fd, readable: true, writable: false })
  socket.unref()
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = (lines.pop() ?? '').slice(0, LINE_CHARS_MAX)
    for (const line of lines) tell(host.log, bundle, line)
  })
  socket.on('error', (error) => host.log.debug('a shim’s log failed', { task: bundle.id, error: error.message }))
  return {
    close() {
      if (rest !== '') tell(host.log, bundle, rest)
      socket.destroy()
    },
  }
}

const LEVELS: Readonly<Record<string, LogLevel>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'error',
  panic: 'error',
}

/** Shims write as containerd does, in text or JSON; of other lines the level is not known. */
function tell(log: Log, { id }: Bundle, line: string): void {
  if (line.trim() === '') return
  const level = /\blevel"?[=:]\s*"?(\w+)/.exec(line.slice(0, 512))?.[1] ?? ''
  log[LEVELS[level] ?? 'info']('shim says', { task: id, line: line.slice(0, LINE_CHARS_MAX) })
}
