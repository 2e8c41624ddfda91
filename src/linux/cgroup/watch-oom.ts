// Tells when the OOM killer has come to a group.
import { watch } from 'node:fs'
import { join } from 'node:path'
import { readGroupFile, readPairs } from './group-files.ts'

const POLL_MS = 100

/**
 * v1 tells by an eventfd, on which this runtime cannot wait without giving one of its four file threads away for good; reading the count
 * ten times a second costs less than a thousandth of a processor, and misses no kill, since it is a count.
 */
export function watchOomV1(directory: string, onKill: () => void, onGone: () => void = () => {}): { close(): void } {
  const read = () => {
    const text = readGroupFile(directory, 'memory.oom_control')
    return text === undefined ? undefined : readPairs(directory, 'memory.oom_control')['oom_kill']
  }
  let before = read() ?? 0n
  const timer = setInterval(() => {
    const now = read()
    if (now === undefined) {
      clearInterval(timer)
      return onGone()
    }
    if (now > before) onKill()
    before = now
  }, POLL_MS)
  timer.unref()
  return { close: () => clearInterval(timer) }
}

/** v2 tells by inotify: memory.events changes, and cgroup.events when the last process has gone. */
export function watchOomV2(directory: string, onKill: () => void, onGone: () => void = () => {}): { close(): void } {
  const kills = () => readPairs(directory, 'memory.events')['oom_kill'] ?? 0n
  const isOver = () => readPairs(directory, 'cgroup.events')['populated'] !== 1n
  let before = kills()
  let isClosed = false
  const look = () => {
    if (isClosed) return
    const now = kills()
    if (now > before) onKill()
    before = now
  }
  const close = () => {
    isClosed = true
    memory.close()
    group.close()
  }
  const memory = watch(join(directory, 'memory.events'), { persistent: false }, look)
  const group = watch(join(directory, 'cgroup.events'), { persistent: false }, () => {
    look() // the kill that ended it may be told after the end
    if (isClosed || !isOver()) return
    close()
    onGone()
  })
  for (const watcher of [memory, group]) watcher.on('error', () => close()) // the directory went away under it
  return { close }
}
