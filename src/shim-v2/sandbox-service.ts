// containerd.runtime.sandbox.v1: a pod's sandbox is the shim process itself, with nothing behind it but the containers that come.
import { type TtrpcMethod, ttrpcMethod } from '../wire/ttrpc/serve-ttrpc.ts'
import * as m from '../wire/shim-v2/messages.ts'

export const SANDBOX_SERVICE = 'containerd.runtime.sandbox.v1.Sandbox'

/** @param stop ends this shim, unless containers are left. */
export function createSandboxService(stop: () => void): ReadonlyMap<string, TtrpcMethod> {
  const names: Record<string, string> = { x64: 'amd64', ia32: '386' }
  const createdAt = m.timestampOf(BigInt(Date.now()) * 1_000_000n)
  const { pid } = process
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
        stop()
        return {}
      }),
    ],
    ['WaitSandbox', ttrpcMethod(m.SandboxRequest, m.WaitResponse, () => ({ exitStatus: 0 }))],
    [
      'SandboxStatus',
      ttrpcMethod(m.SandboxRequest, m.SandboxStatusResponse, ({ sandboxId }) => ({
        sandboxId,
        pid,
        state: 'SANDBOX_READY',
        createdAt,
      })),
    ],
    ['PingSandbox', ttrpcMethod(m.SandboxRequest, m.Empty, () => ({}))],
    ['ShutdownSandbox', ttrpcMethod(m.SandboxRequest, m.Empty, () => ({}))],
  ])
}
