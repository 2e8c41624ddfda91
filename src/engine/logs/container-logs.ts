// What the engine does for the logs of its containers beside reading them: rotated files are compressed, and what goes elsewhere is forwarded. Neither is
// in the way of the container: its shim writes the log whether or not an engine lives.
import { type Clock, within } from '../../base/clock.ts'
import { messageOf } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import type { Kernel } from '../../linux/kernel.ts'
import type { Container } from '../container/container.ts'
import { compressRotated } from './compress-rotated.ts'
import { Forwarder } from './forward/forwarder.ts'
import { openForwardDriver } from './forward/open-forward-driver.ts'
import { checkLogConfig, isForwarding } from './log-drivers.ts'
import { logOptions } from './log-info.ts'
import { RotationWatch } from './rotation-watch.ts'
import { logBounds, logPlace } from './log-settings.ts'
import { cannotLog } from './open-log.ts'

export interface ContainerLogsDeps {
  kernel: Kernel
  clock: Clock
  log: Log
}

/** As dockerd waits for a logging driver at a container's end, before it goes on without. */
const DRAIN_LIMIT_MS = 10_000

/** What goes on for a log. */
interface Attendance {
  forwarder: Forwarder | undefined
  compressor: RotationWatch | undefined
}

export class ContainerLogs {
  readonly #deps: ContainerLogsDeps
  readonly #attended = new Map<string, Attendance>()
  /** Of runs that are over: what they left is still dealt with. */
  readonly #ending = new Map<string, Attendance>()

  constructor(deps: ContainerLogsDeps) {
    this.#deps = deps
  }

  /** Before a container's task is made. Throws invalid-argument in Docker's words where its collector cannot be reached. */
  async prepare({ record }: Container): Promise<void> {
    if (!isForwarding(record.hostConfig.LogConfig?.Type ?? '')) return
    try {
      checkLogConfig(record.hostConfig.LogConfig?.Type ?? '', logOptions(record))
      const driver = openForwardDriver(this.#deps.kernel, record)
      if (driver.isNeededAtStart) (await driver.connect()).close()
    } catch (error) {
      throw cannotLog(error)
    }
  }

  /** The container runs; idempotent. */
  begin(container: Container): void {
    const { id } = container
    if (this.#attended.has(id)) return
    const former = this.#ending.get(id)
    this.#ending.delete(id)
    try {
      const forwarder = this.#startForwarder(container, former?.forwarder)
      const compressor = this.#startCompressor(container, former?.compressor)
      if (forwarder !== undefined || compressor !== undefined) this.#attended.set(id, { forwarder, compressor })
    } catch (error) {
      this.#warn('a container’s log is not attended to', id, error)
    }
  }

  /** The run is over. What it left is sent and compressed in the background. */
  end({ id }: Container): void {
    const attendance = this.#attended.get(id)
    if (attendance === undefined) return
    this.#attended.delete(id)
    this.#ending.set(id, attendance)
    const { forwarder, compressor } = attendance
    forwarder?.finish()
    void Promise.all([forwarder?.done, compressor?.close()]).then(() => {
      if (this.#ending.get(id) === attendance) this.#ending.delete(id)
    })
  }

  /** Of a former engine's container that does not run: what that engine could not send is sent, and what it has not compressed is. */
  settle(container: Container): void {
    if (this.#attended.has(container.id) || this.#ending.has(container.id)) return
    this.begin(container)
    this.end(container)
  }

  /** Its files are about to go: what was not sent is waited for, but not for long. Never rejects. */
  async release(container: Container): Promise<void> {
    this.end(container)
    const { forwarder, compressor } = this.#ending.get(container.id) ?? {}
    if (forwarder !== undefined) await within(this.#deps.clock, DRAIN_LIMIT_MS, forwarder.done)
    await forwarder?.abort()
    await compressor?.close()
  }

  /** This engine ends; cursors are kept. */
  async close(): Promise<void> {
    const all = [...this.#attended.values(), ...this.#ending.values()]
    this.#attended.clear()
    await Promise.all(all.flatMap(({ forwarder, compressor }) => [forwarder?.abort(), compressor?.close()]))
  }

  #startForwarder({ record, directory, id }: Container, former: Forwarder | undefined): Forwarder | undefined {
    const place = logPlace(record, directory)
    if (place === undefined || !isForwarding(record.hostConfig.LogConfig?.Type ?? '')) return undefined
    const driver = openForwardDriver(this.#deps.kernel, record)
    return new Forwarder({ ...this.#deps, driver, path: place.path, directory, containerId: id, former })
  }

  #startCompressor({ record, directory, id }: Container, former: RotationWatch | undefined): RotationWatch | undefined {
    const place = logPlace(record, directory)
    if (place === undefined) return undefined
    if (!logBounds(record).compresses) return undefined
    let earlier = former // let go of when it has ended: a container may be started for ever
    return new RotationWatch(place.path, async () => {
      const ending = earlier?.close()
      earlier = undefined
      await ending
      try {
        await compressRotated(this.#deps.kernel, place.path)
      } catch (error) {
        this.#warn('compressing a container’s log failed', id, error)
      }
    })
  }

  #warn(message: string, container: string, error: unknown): void {
    this.#deps.log.warn(message, { container, error: messageOf(error) })
  }
}
