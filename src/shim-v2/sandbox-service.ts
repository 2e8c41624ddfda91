// containerd.runtime.sandbox.v1: a pod's sandbox is the shim process itself, with nothing behind it but the containers that come.
import { type TtrpcMethod, ttrpcMethod } from '../wire/ttrpc/serve-ttrpc.ts'
import * as m from '../wire/shim-v2/messages.ts'

export const SANDBOX_SERVICE = 'containerd.runtime.sandbox.v1.Sandbox'

/** containerd takes a closed connection for a failure, and its client may see the end before the answer where both come together. */
const ANSWER_MS = 100

/** @param stop ends this shim, unless containers are left. */
export function createSandboxService(stop: () => void): ReadonlyMap<string, TtrpcMethod> {
  const names: Record<string, string> = { x64: 'amd64', ia32: '386' }
  const createdAt = m.timestampOf(BigInt(Date.now()) * 1_000_000n)
  const { pid } = process
  let isReady = true
  let tellEnd: () => void = () => {}
  const ended = new Promise<void>((resolve) => {
    tellEnd = resolve
  })
  return new Map([
    ['CreateSandbox', ttrpcMethod(m.SandboxRequest, m.Empty, () => ({}))],
    ['StartSandbox', ttrpcMethod(m.SandboxRequest, m.StartSandboxResponse, () => ({ pid, createdAt }))],
    [
      'Platform',
      ttrpcMethod(m.SandboxRequest, m.PlatformResponse, () => ({
        platform: { os: 'linux', architecture: names[process.arch] ?? process.arch },
      })),
    ],
    [
      'StopSandbox',
      ttrpcMethod(m.SandboxRequest, m.Empty, () => {
        isReady = false
        tellEnd()
        return {}
      }),
    ],
    [
      'WaitSandbox',
      ttrpcMethod(m.SandboxRequest, m.WaitResponse, async () => {
        await ended
        return { exitStatus: 0, exitedAt: m.timestampOf(BigInt(Date.now()) * 1_000_000n) }
      }),
    ],
    [
      'SandboxStatus',
      ttrpcMethod(m.SandboxRequest, m.SandboxStatusResponse, ({ sandboxId }) => ({
        sandboxId,
        pid,
        state: isReady ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
        createdAt,
      })),
    ],
    ['PingSandbox', ttrpcMethod(m.SandboxRequest, m.Empty, () => ({}))],
    [
      'ShutdownSandbox',
      ttrpcMethod(m.SandboxRequest, m.Empty, () => {
        tellEnd()
        setTimeout(stop, ANSWER_MS)
        return {}
      }),
    ],
  ])
}
