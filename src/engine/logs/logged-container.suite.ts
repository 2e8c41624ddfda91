// A container's record as the tests of logging need it.
import type { LoggedContainer } from './log-info.ts'

export function loggedContainer(given: {
  driver?: string
  options?: Record<string, string>
  labels?: Record<string, string>
  env?: string[]
}): LoggedContainer {
  return {
    id: `${'c0ffee'.repeat(10)}abcd`,
    name: 'web',
    createdAt: '2026-01-02T03:04:05.6Z',
    image: { id: `sha256:${'1234'.repeat(16)}`, chainId: undefined, manifest: undefined },
    path: 'sh',
    args: ['-c', 'true'],
    config: { Image: 'busybox:1', Env: given.env ?? [], Labels: given.labels ?? {} },
    hostConfig: { LogConfig: { Type: given.driver ?? 'json-file', Config: given.options ?? {} } },
  }
}
