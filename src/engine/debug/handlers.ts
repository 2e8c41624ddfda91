// /debug: Go's paths of expvar and pprof, behind which is what Node has to tell. Profiles are in pprof's own form.
import { getHeapStatistics } from 'node:v8'
import { describeState, type ListCalls } from '../../base/debug/dump-state.ts'
import { HEAP_INTERVAL_BYTES, recordCpuProfile, recordHeapProfile } from '../../base/debug/record-profile.ts'
import type { ApiRequest, ApiResponse, Handler, Handlers } from '../http/route.ts'

const CPU_SECONDS = 30
const HEAP_SECONDS = 5
const SECONDS_MAX = 600

const INDEX = `/debug/pprof/

profile?seconds=N     where the processor's time goes, for pprof
heap?seconds=N        what is allocated in that time and kept, for pprof
goroutine?debug=2     requests under way, the stack, what is waited for
cmdline               the command line
`

/** Profiles of Go's that have no counterpart. */
const WITHOUT: Readonly<Record<string, string>> = {
  block: 'there are no goroutines that block: one thread runs all JavaScript',
  mutex: 'there are no mutexes to contend for',
  threadcreate: 'threads are not counted',
}

export function debugHandlers(listCalls: ListCalls): Handlers {
  return {
    'GET /debug/vars': async () => ({ kind: 'json', status: 200, body: variables() }),
    'GET /debug/pprof/': async () => text(200, INDEX),
    'GET /debug/pprof/cmdline': async () => text(200, process.argv.join('\0')),
    'GET /debug/pprof/profile': sendCpuProfile,
    'GET /debug/pprof/symbol': askSymbols,
    'POST /debug/pprof/symbol': askSymbols,
    'GET /debug/pprof/trace': async () => refuse('trace', 'it is of the Go runtime'),
    'GET /debug/pprof/{name}': (request) => sendNamed(request, listCalls),
  }
}

async function sendNamed(request: ApiRequest, listCalls: ListCalls): Promise<ApiResponse> {
  const name = request.params['name'] ?? ''
  if (name === 'heap' || name === 'allocs') return sendHeapProfile(request)
  if (name === 'goroutine') return text(200, describeState(listCalls))
  const reason = Object.hasOwn(WITHOUT, name) ? WITHOUT[name] : undefined
  return reason === undefined ? text(404, 'Unknown profile\n') : refuse(name, reason)
}

const sendCpuProfile: Handler = async ({ query }) => {
  const startedAtMs = Date.now()
  const profile = await recordCpuProfile(secondsOf(query, CPU_SECONDS))
  const { encodeCpuProfile } = await import('./pprof-profile.ts')
  return binary(encodeCpuProfile(profile, startedAtMs))
}

async function sendHeapProfile({ query }: ApiRequest): Promise<ApiResponse> {
  const startedAtMs = Date.now()
  const seconds = secondsOf(query, HEAP_SECONDS)
  const profile = await recordHeapProfile(seconds)
  const { encodeHeapProfile } = await import('./pprof-profile.ts')
  const recorded = { startedAtMs, durationMs: seconds * 1000, intervalBytes: HEAP_INTERVAL_BYTES }
  return binary(encodeHeapProfile(profile, recorded))
}

/** pprof asks whether there are symbols to be had: profiles carry theirs. */
const askSymbols: Handler = async () => text(200, 'num_symbols: 1\n')

function secondsOf(query: URLSearchParams, fallback: number): number {
  const seconds = Number(query.get('seconds') ?? '') || fallback
  return Math.min(Math.max(seconds, 0.01), SECONDS_MAX)
}

/** Under Go's names where there is such a number. */
function variables(): object {
  const memory = process.memoryUsage()
  const heap = getHeapStatistics()
  return {
    cmdline: process.argv,
    memstats: {
      Alloc: memory.heapUsed,
      Sys: memory.rss,
      HeapAlloc: memory.heapUsed,
      HeapSys: memory.heapTotal,
      HeapIdle: memory.heapTotal - memory.heapUsed,
      HeapInuse: memory.heapUsed,
      HeapReleased: 0,
    },
    node: { version: process.version, uptime: process.uptime(), heap, resources: process.resourceUsage() },
  }
}

function text(status: number, body: string): ApiResponse {
  return { kind: 'text', status, body, headers: [['X-Content-Type-Options', 'nosniff']] }
}

function refuse(name: string, reason: string): ApiResponse {
  return text(501, `Could not enable ${name}: ${reason}\n`)
}

function binary(bytes: Buffer): ApiResponse {
  return {
    kind: 'stream',
    status: 200,
    contentType: 'application/octet-stream',
    async write(response) {
      response.write(bytes)
    },
  }
}
