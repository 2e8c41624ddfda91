// GET and HEAD /_ping: the first thing that every client asks.
import type { ApiRequest, ApiResponse } from '../http/route.ts'

export function ping(request: ApiRequest): ApiResponse {
  const headers = [
    ['Cache-Control', 'no-cache, no-store, must-revalidate'],
    ['Pragma', 'no-cache'],
    ['Swarm', 'inactive'],
  ] as const
  return { kind: 'text', status: 200, body: request.method === 'HEAD' ? '' : 'OK', headers }
}
