// GET and HEAD /_ping: the first thing that every client asks.
import type { ApiRequest, ApiResponse } from '../http/route.ts'

export async function ping(request: ApiRequest): Promise<ApiResponse> {
  const headers = [
    ['Cache-Control', 'no-cache, no-store, must-revalidate'],
    ['Pragma', 'no-cache'],
    ['Swarm', 'inactive'],
  ] as const
  return { kind: 'text', status: 200, body: request.raw.method === 'HEAD' ? '' : 'OK', headers }
}
