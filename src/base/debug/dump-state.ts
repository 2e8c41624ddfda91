// What a daemon is doing just now, as text: for SIGUSR1 and for the debug paths' goroutines.
import { writeFileSync } from 'node:fs'
import { messageOf } from '../failure.ts'
import type { Log } from '../log.ts'

/** Requests that have begun and not ended. */
export type ListCalls = () => readonly { readonly path: string; readonly startedAtMs: number }[]

interface Report {
  javascriptStack?: { stack?: string[] }
  nativeStack?: { symbol: string }[]
  libuv?: { type: string; is_active?: boolean; is_referenced?: boolean; [detail: string]: unknown }[]
}

/** Calls under way, the stack, what the event loop waits for. There is one thread of JavaScript, so one stack. */
export function describeState(listCalls: ListCalls): string {
  // Else Node asks the resolver for the name of each peer, and the whole daemon waits for the answers.
  Object.assign(process.report, { excludeNetwork: true }) // Node 20.13; its types do not know it
  const report = process.report.getReport() as Report
  const calls = listCalls().map(
    ({ path, startedAtMs }) => `  ${path} ${((Date.now() - startedAtMs) / 1000).toFixed(3)}s`,
  )
  const waits = Object.entries(countOf(process.getActiveResourcesInfo())).map(([kind, count]) => `  ${kind} ${count}`)
  const handles = (report.libuv ?? []).filter(({ is_active: active }) => active === true).map(describeHandle)
  return [
    `goroutine 1 [running]: pid ${process.pid}, node ${process.version}, up ${process.uptime().toFixed(3)}s`,
    ...(report.javascriptStack?.stack ?? []).map((line) => `  ${line}`),
    ...['', `calls: ${calls.length}`, ...calls],
    ...['', 'waiting for:', ...waits],
    ...['', `handles: ${handles.length}`, ...handles],
    '',
  ].join('\n')
}

function describeHandle({ type, ...details }: NonNullable<Report['libuv']>[number]): string {
  const shown = [
    'fd',
    'firesInMsFromNow',
    'repeat',
    'signum',
    'signal',
    'localEndpoint',
    'remoteEndpoint',
    'filename',
    'pid',
  ]
    .filter((key) => details[key] !== undefined && details[key] !== null)
    .map((key) => ` ${key}=${typeof details[key] === 'object' ? JSON.stringify(details[key]) : String(details[key])}`)
  return `  ${type}${shown.join('')}`
}

function countOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/**
 * On SIGUSR1, into the log and a file that only the daemon's user reads. Call it before anything else: until then the signal would
 * open Node's debugger on a port that any user of the machine can reach.
 */
export function dumpOnSignal(options: { log: () => Log; listCalls: ListCalls; path: () => string }): void {
  const { log, listCalls, path } = options
  process.on('SIGUSR1', () => {
    const text = describeState(listCalls)
    log().info(`=== BEGIN goroutine stack dump ===\n${text}\n=== END goroutine stack dump ===`)
    const file = path()
    try {
      writeFileSync(file, text, { mode: 0o600, flag: 'wx' })
      log().info(`goroutine stack dump written to ${file}`)
    } catch (error) {
      log().warn('stack dump not written', { file, error: messageOf(error) })
    }
  })
}
