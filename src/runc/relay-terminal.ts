// A container's terminal on our own: what is typed goes in, what it prints comes out, and it is as large as ours.
import { closeSync, read } from 'node:fs'
import { isatty } from 'node:tty'
import { checked, libcIntFunction } from '../linux/libc.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { writeAll } from './output.ts'

const c = {
  tcgetattr: libcIntFunction('tcgetattr', 'int', 'ptr'),
  tcsetattr: libcIntFunction('tcsetattr', 'int', 'int', 'ptr'),
  cfmakeraw: libcIntFunction('cfmakeraw', 'ptr'),
}
const TCSANOW = 0
const TIOCGWINSZ = 0x5413
const TIOCSWINSZ = 0x5414
/** Larger than struct termios. */
const TERMIOS_SIZE = 128
const WINDOW_SIZE = 8
const CHUNK = 4096
/** What a process wrote before its end is there already; a descendant may hold the terminal open for as long as it likes. */
const DRAIN_MS = 200

export interface TerminalRelay {
  /** Resolves when all that the container printed has been passed on; called after its end. */
  drain(): Promise<void>
  /** Our terminal is as it was, and the master closed. */
  stop(): void
}

export function relayTerminal(master: number): TerminalRelay {
  const settle = isatty(0) ? makeRaw(0) : () => {}
  const resize = () => copySize(master)
  resize()
  process.on('SIGWINCH', resize)
  let isStopped = false
  void pump(0, master, () => isStopped)
  const printed = pump(master, 1, () => isStopped)
  return {
    drain: () => Promise.race([printed, new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref())]),
    stop() {
      isStopped = true
      process.off('SIGWINCH', resize)
      settle()
      closeSync(master)
    },
  }
}

/** Until the end of what is read: EIO when the last process has closed the other side. */
function pump(from: number, to: number, isStopped: () => boolean): Promise<void> {
  const bytes = Buffer.allocUnsafe(CHUNK)
  return new Promise((resolve) => {
    const next = () => {
      read(from, bytes, 0, CHUNK, null, (error, size) => {
        if (error !== null || size === 0 || isStopped()) return resolve()
        try {
          writeAll(to, bytes.subarray(0, size))
        } catch {
          return resolve() // nobody is there to read it
        }
        next()
      })
    }
    next()
  })
}

function makeRaw(fd: number): () => void {
  const saved = Buffer.alloc(TERMIOS_SIZE)
  checked(c.tcgetattr(fd, saved), 'tcgetattr', String(fd))
  const raw = Buffer.from(saved)
  c.cfmakeraw(raw)
  checked(c.tcsetattr(fd, TCSANOW, raw), 'tcsetattr', String(fd))
  return () => void c.tcsetattr(fd, TCSANOW, saved)
}

function copySize(master: number): void {
  const kernel = openNativeKernel()
  const size = Buffer.alloc(WINDOW_SIZE)
  try {
    kernel.ioctl(0, TIOCGWINSZ, size)
    kernel.ioctl(master, TIOCSWINSZ, size)
  } catch {
    // ours is no terminal, or has no size: the container keeps its own
  }
}
