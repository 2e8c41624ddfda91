// The debug socket: Go's paths of expvar and pprof, behind which is what Node has to tell. Formats are V8's: its tools read them.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { getHeapSnapshot, getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import { messageOf } from '../../../base/failure.ts'
import type { Log } from '../../../base/log.ts'
import { listen, removeStaleSocket } from '../../../wire/grpc/serve-grpc.ts'
import type { OwnedSocket } from '../../config/settings.ts'
import { describeState, type ListCalls } from '../../../base/debug/dump-state.ts'
import { recordCpuProfile } from '../../../base/debug/record-profile.ts'

/** Serves until disposed of; the socket is removed then. */
export async function serveDebug(
  { address, uid, gid }: OwnedSocket,
  listCalls: ListCalls,
  log: Log,
): Promise<AsyncDisposable> {
  await removeStaleSocket(address)
  const server = createServer((request, response) => {
    answer(request, response, listCalls).catch((error: unknown) => {
      log.warn('debug request failed', { path: request.url, error: messageOf(error) })
      if (response.headersSent) response.destroy()
      else sendText(response, 500, `${messageOf(error)}\n`)
    })
  })
  await listen(server, address, { uid, gid })
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

interface Request {
  query: URLSearchParams
  response: ServerResponse
  listCalls: ListCalls
}

type Answer = (request: Request) => Promise<void> | void

const ANSWERS: Readonly<Record<string, Answer>> = {
  '/debug/vars': ({ response }) => sendJson(response, variables()),
  '/debug/pprof/': ({ response }) => sendText(response, 200, INDEX),
  '/debug/pprof/cmdline': ({ response }) => sendText(response, 200, process.argv.join('\0')),
  '/debug/pprof/goroutine': ({ response, listCalls }) => sendText(response, 200, describeState(listCalls)),
  '/debug/pprof/heap': ({ response }) => sendHeap(response),
  '/debug/pprof/allocs': ({ response }) => sendHeap(response),
  '/debug/pprof/profile': async ({ query, response }) => {
    const profile = await recordCpuProfile(secondsOf(query, PROFILE_SECONDS))
    sendFile(response, 'profile.cpuprofile', JSON.stringify(profile))
  },
  '/debug/pprof/threadcreate': ({ response }) => sendText(response, 200, describeThreads()),
  '/debug/pprof/block': refuse('block', 'there are no goroutines that block: one thread runs all JavaScript'),
  '/debug/pprof/mutex': refuse('mutex', 'there are no mutexes to contend for'),
  '/debug/pprof/trace': refuse('trace', 'no trace of the Go runtime: /debug/pprof/profile tells where the time goes'),
  '/debug/pprof/symbol': refuse('symbol', 'profiles carry their own symbols'),
}

async function answer(request: IncomingMessage, response: ServerResponse, listCalls: ListCalls): Promise<void> {
  const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://debug')
  const found = Object.hasOwn(ANSWERS, pathname) ? ANSWERS[pathname] : undefined
  if (found !== undefined) return found({ query, response, listCalls })
  const isProfile = pathname.startsWith('/debug/pprof/')
  sendText(response, 404, isProfile ? 'Unknown profile\n' : '404 page not found\n')
}

/** As Go says that a profile can't be had. */
function refuse(name: string, reason: string): Answer {
  return ({ response }) => sendText(response, 501, `Could not enable ${name}: ${reason}\n`)
}

const PROFILE_SECONDS = 30
const PROFILE_SECONDS_MAX = 600

function secondsOf(query: URLSearchParams, fallback: number): number {
  const seconds = Number(query.get('seconds') ?? '') || fallback
  return Math.min(Math.max(seconds, 0.01), PROFILE_SECONDS_MAX)
}

/** The world stands still while it is taken; its stream is read as fast as the client takes it. */
async function sendHeap(response: ServerResponse): Promise<void> {
  setFile(response, 'heap.heapsnapshot')
  await pipeline(getHeapSnapshot(), response)
}

function variables(): object {
  const { argv, version, versions, pid } = process
  return {
    cmdline: argv,
    ...{ pid, version, versions },
    uptime: process.uptime(),
    memstats: { ...process.memoryUsage(), heap: getHeapStatistics(), spaces: getHeapSpaceStatistics() },
    cpu: process.cpuUsage(),
    resources: process.resourceUsage(),
  }
}

function describeThreads(): string {
  const threads = process.report.getReport() as { workers?: unknown[] }
  return `threadcreate profile: total ${1 + (threads.workers?.length ?? 0)}\nmain\n${'worker\n'.repeat(threads.workers?.length ?? 0)}`
}

const INDEX = `/debug/pprof/

profile?seconds=N     processor profile, .cpuprofile
heap                  heap snapshot, .heapsnapshot
goroutine?debug=2     calls under way, the stack, what is waited for
threadcreate          threads
cmdline               the command line

Both files open in the developer tools of Chromium.
`

function sendText(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' })
    .end(text)
}

function sendJson(response: ServerResponse, value: object): void {
  response
    .writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
    .end(`${JSON.stringify(value, null, 1)}\n`)
}

function setFile(response: ServerResponse, name: string): void {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="${name}"`,
    'x-content-type-options': 'nosniff',
  })
}

function sendFile(response: ServerResponse, name: string, text: string): void {
  setFile(response, name)
  response.end(text)
}
