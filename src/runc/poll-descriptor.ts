// Waiting for one descriptor, without an event loop.
import { libcIntFunction } from '../linux/libc.ts'

const poll = libcIntFunction('poll', 'ptr', 'ulong', 'int')
const POLLIN = 1
const POLLOUT = 4

/** Returns when it can be read (or has ended) or written, or when the time is over; -1 is no limit. An interruption is an early return. */
export function pollDescriptor(fd: number, what: 'read' | 'write', limitMs = -1): void {
  // struct pollfd: the descriptor, then the events in the lower half of a word and what came of them in the upper.
  poll(new Int32Array([fd, what === 'read' ? POLLIN : POLLOUT]), 1, limitMs)
}
