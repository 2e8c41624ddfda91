// What the engine does for the logs of its containers beside reading them: rotated files are compressed, and what goes elsewhere is forwarded. Neither is
// in the way of the container: its shim writes the log whether or not an engine lives.
import { existsSync, type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type Clock, within } from '../../base/clock.ts'
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import type { Kernel } from '../../linux/kernel.ts'
import type { Container } from '../container/container.ts'
import { compressRotated } from './compress-rotated.ts'
import { Forwarder } from './forward/forwarder.ts'
import { openForwardDriver } from './forward/open-forward-driver.ts'
import { isForwarding } from './log-drivers.ts'
import { logBounds, logPlace } from './log-settings.ts'
import { cannotLog } from './open-log.ts'

export interface ContainerLogsDeps {
  kernel: Kernel
  clock: Clock
  log: Log
}

/** As dockerd waits for a logging driver at a container's end, before it goes on without. */
const DRAIN_LIMIT_MS = 10_000

interface Attended {
  compressor: { close(): void } | undefined
  forwarder: Forwarder | undefined
}

export class ContainerLogs {
  readonly #deps: ContainerLogsDeps
  readonly #attended = new Map<string, Attended>()
  readonly #finishing = new Map<string, Forwarder>()

  constructor(deps: ContainerLogsDeps) {
    this.#deps = deps
  }

  /** Before a container's task is made. Throws invalid-argument in Docker's words where its collector cannot be reached. */
  async prepare({ record }: Container): Promise<void> {
    if (!isForwarding(record.hostConfig.LogConfig?.Type ?? '')) return
    try {
      const driver = openForwardDriver(this.#deps.kernel, record)
      if (driver.isNeededAtStart) (await driver.connect()).close()
    } catch (error) {
      throw cannotLog(error)
    }
  }

  /** The container runs, or may have left something to send; idempotent. */
  begin(container: Container): void {
    if (this.#attended.has(container.id)) return
    try {
      const forwarder = this.#startForwarder(container)
      const compressor = this.#startCompressor(container)
      if (forwarder !== undefined || compressor !== undefined)
        this.#attended.set(container.id, { forwarder, compressor })
    } catch (error) {
      this.#warn('a container’s log is not attended to', container.id, error)
    }
  }

  /** Of a former engine's container that does not run: what it could not send is sent, and what is rotated compressed. */
  settle(container: Container): void {
    if (this.#attended.has(container.id) || this.#finishing.has(container.id)) return
    this.begin(container)
    this.end(container)
  }

  /** The run is over. What is left is still sent, in the background. */
  end(container: Container): void {
    const { forwarder, compressor } = this.#attended.get(container.id) ?? {}
    this.#attended.delete(container.id)
    compressor?.close()
    if (forwarder === undefined) return
    forwarder.finish()
    this.#finishing.set(container.id, forwarder)
    void forwarder.done.then(() => {
      if (this.#finishing.get(container.id) === forwarder) this.#finishing.delete(container.id)
    })
  }

  /** Its files are about to go: what was not sent is waited for, but not for long. Never rejects. */
  async release(container: Container): Promise<void> {
    this.end(container)
    const forwarder = this.#finishing.get(container.id)
    if (forwarder === undefined) return
    await within(this.#deps.clock, DRAIN_LIMIT_MS, forwarder.done)
    await forwarder.abort()
  }

  /** This engine ends; cursors are kept. */
  async close(): Promise<void> {
    const forwarders = [...this.#finishing.values(), ...[...this.#attended.values()].map((each) => each.forwarder)]
    for (const { compressor } of this.#attended.values()) compressor?.close()
    this.#attended.clear()
    await Promise.all(forwarders.map((forwarder) => forwarder?.abort()))
  }

  #startForwarder(container: Container): Forwarder | undefined {
    const { record, directory, id } = container
    const place = logPlace(record, directory)
    if (place === undefined || !isForwarding(record.hostConfig.LogConfig?.Type ?? '')) return undefined
    const former = this.#finishing.get(id) // of the run before, which may still have something to send
    this.#finishing.delete(id)
    const driver = openForwardDriver(this.#deps.kernel, record)
    return new Forwarder({ ...this.#deps, driver, path: place.path, directory, containerId: id, former })
  }

  #startCompressor({ record, directory, id }: Container): { close(): void } | undefined {
    const place = logPlace(record, directory)
    if (place === undefined) return undefined
    const { compresses, maxFiles } = logBounds(record)
    if (!compresses) return undefined
    return watchRotation(place.path, async () => {
      try {
        await compressRotated(this.#deps.kernel, place.path, maxFiles)
      } catch (error) {
        this.#warn('compressing a container’s log failed', id, error)
      }
    })
  }

  #warn(message: string, container: string, error: unknown): void {
    this.#deps.log.warn(message, { container, error: messageOf(error) })
  }
}

/** Calls `work`, never twice at a time, now and whenever there is a new rotated file. */
function watchRotation(path: string, work: () => Promise<void>): { close(): void } {
  const rotated = `${basename(path)}.1`
  let isBusy = false
  let isWanted = true
  const run = async () => {
    if (isBusy) return
    isBusy = true
    while (isWanted) {
      isWanted = false
      if (existsSync(`${path}.1`)) await work()
    }
    isBusy = false
  }
  let watcher: FSWatcher | undefined
  try {
    watcher = watch(dirname(path), { persistent: false }, (_kind, name) => {
      if (name !== null && name !== rotated) return
      isWanted = true
      void run()
    })
    watcher.on('error', () => {}) // what is rotated stays as it is, and is compressed at the engine's next start
  } catch {
    watcher = undefined // no inotify instance left: likewise
  }
  void run()
  return { close: () => watcher?.close() }
}
