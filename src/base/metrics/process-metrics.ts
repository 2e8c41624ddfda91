// process_* and nodejs_*: what the daemon itself uses.
import { readdirSync, readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { strayErrorCounts } from '../stray-errors.ts'
import type { Family } from './exposition.ts'

/** USER_HZ is 100 on every architecture that Linux runs on here. */
const TICKS_PER_SECOND = 100

/** proc(5): /proc/self/stat, numbered as there. */
const STARTED_FIELD = 22
const VIRTUAL_FIELD = 23

export function processFamilies(): Family[] {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // the name before may hold anything
  const field = (number: number) => Number(fields[number - 3])
  const boot = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0)
  const cpu = process.cpuUsage()
  const memory = process.memoryUsage()
  const loop = performance.eventLoopUtilization()
  const strays = strayErrorCounts()
  const gauge = (name: string, help: string, value: number, type: Family['type'] = 'gauge'): Family => ({
    ...{ name, help, type },
    samples: [{ labels: {}, value }],
  })
  return [
    gauge(
      'process_cpu_seconds_total',
      'Processor time in user and system mode.',
      (cpu.user + cpu.system) / 1e6,
      'counter',
    ),
    gauge('process_open_fds', 'Open file descriptors.', readdirSync('/proc/self/fd').length),
    gauge('process_max_fds', 'The limit of open file descriptors.', descriptorLimit()),
    gauge('process_virtual_memory_bytes', 'Address space.', field(VIRTUAL_FIELD)),
    gauge('process_resident_memory_bytes', 'Memory that is resident.', memory.rss),
    gauge(
      'process_start_time_seconds',
      'When the process began, in seconds since the epoch.',
      boot + field(STARTED_FIELD) / TICKS_PER_SECOND,
    ),
    gauge('nodejs_heap_size_total_bytes', 'Heap of JavaScript.', memory.heapTotal),
    gauge('nodejs_heap_size_used_bytes', 'Heap of JavaScript that is in use.', memory.heapUsed),
    gauge('nodejs_external_memory_bytes', 'Buffers and the like outside of the heap.', memory.external),
    gauge('nodejs_unhandled_rejections_total', 'Rejections that nobody handled.', strays.rejections, 'counter'),
    gauge('nodejs_uncaught_exceptions_total', 'Exceptions that nobody caught.', strays.exceptions, 'counter'),
    gauge('nodejs_active_resources', 'What keeps the event loop going.', process.getActiveResourcesInfo().length),
    gauge('nodejs_eventloop_utilization', 'Share of its time that the event loop was busy.', loop.utilization),
  ]
}

function descriptorLimit(): number {
  const limit = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(limit)
}
