// No bridge network at all (`--bridge none`): containers that would be in it have the loopback interface and nothing else.
import { mkdirSync, statSync } from 'node:fs'
import { Failure } from '../base/failure.ts'
import type { Log } from '../base/log.ts'
import type { Kernel } from '../linux/kernel.ts'
import { openBridgeNetwork } from './bridge-network.ts'
import type { Endpoint, Network, NetworkOptions } from './network.ts'
import { NetworkRecords } from './network-records.ts'

/** The name that stands for no bridge. */
export const NO_BRIDGE = 'none'

/** What an earlier run with a bridge has left goes, as soon as no container is in it any more. */
export async function openWithoutBridge(kernel: Kernel, log: Log, options: NetworkOptions): Promise<Network> {
  mkdirSync(options.stateDirectory, { recursive: true, mode: 0o700 })
  const known = new NetworkRecords(options.stateDirectory).loadNetwork()
  const before = known && (await openBridgeNetwork(kernel, log, { ...options, bridge: known.bridge }))
  return new NoBridge(known?.createdAt ?? statSync(options.stateDirectory).birthtime.toISOString(), before)
}

class NoBridge implements Network {
  readonly createdAt: string
  #before: Network | undefined

  constructor(createdAt: string, before: Network | undefined) {
    this.createdAt = createdAt
    this.#before = before
  }

  describe(): undefined {}

  attach(): Promise<Endpoint> {
    throw new Failure('not-found', 'network bridge not found')
  }

  async detach(key: string): Promise<void> {
    await this.#before?.detach(key)
    await this.#clear()
  }

  endpoints(): readonly Endpoint[] {
    return this.#before?.endpoints() ?? []
  }

  setPassages(): void {}

  async reconcile(live: ReadonlySet<string>): Promise<void> {
    await this.#before?.reconcile(live)
    await this.#clear()
  }

  async close(): Promise<void> {
    await this.#before?.close()
  }

  async destroy(): Promise<void> {
    await this.#before?.destroy()
    this.#before = undefined
  }

  async #clear(): Promise<void> {
    if (this.endpoints().length === 0) await this.destroy()
  }
}
