// systemd's manager, as far as groups go (org.freedesktop.systemd1(5)).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../../base/failure.ts'
import { DbusConnection, DbusError } from './dbus-connection.ts'
import type { DbusMessage } from './dbus-message.ts'
import { type DbusValue, isVariant } from './dbus-values.ts'
import type { UnitProperty } from './unit-properties.ts'

const MANAGER = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
}
const JOB_TIMEOUT_MS = 30_000

export class Systemd implements Disposable {
  readonly #connection: DbusConnection
  readonly #results: JobResults
  #isSubscribed = false

  private constructor(connection: DbusConnection, results: JobResults) {
    this.#connection = connection
    this.#results = results
  }

  /** Whoever opens it closes it. `isUser`: the manager of this user's session. */
  static async open(isUser: boolean): Promise<Systemd> {
    const results = new JobResults()
    const onSignal = (message: DbusMessage) => results.take(message)
    return new Systemd(await openManager(isUser, onSignal), results)
  }

  /** Resolves when the unit is there. A failed one of the same name, of a container before, goes first. */
  async startTransientUnit(name: string, properties: readonly UnitProperty[]): Promise<void> {
    const start = () => this.#job('StartTransientUnit', 'ssa(sv)a(sa(sv))', [name, 'replace', encode(properties), []])
    let result: string
    try {
      result = await start()
    } catch (error) {
      if (!isNamed(error, 'UnitExists')) throw error
      await this.resetFailedUnit(name)
      result = await start()
    }
    if (result === 'done') return
    await this.resetFailedUnit(name)
    throw new Failure('failed-precondition', `error creating systemd unit \`${name}\`: got \`${result}\``)
  }

  /** Until the next boot, as the unit itself. */
  async setUnitProperties(name: string, properties: readonly UnitProperty[]): Promise<void> {
    await this.#call('SetUnitProperties', 'sba(sv)', [name, true, encode(properties)])
  }

  /** A unit that is not there is no error. */
  async stopUnit(name: string): Promise<void> {
    try {
      await this.#job('StopUnit', 'ss', [name, 'replace'])
    } catch (error) {
      if (!isNamed(error, 'NoSuchUnit')) throw error
    }
    await this.resetFailedUnit(name)
  }

  /** So that systemd forgets it. */
  async resetFailedUnit(name: string): Promise<void> {
    try {
      await this.#call('ResetFailedUnit', 's', [name])
    } catch (error) {
      if (!(error instanceof DbusError)) throw error // it has not failed, or has gone meanwhile: as wished
    }
  }

  /** `subgroup`: a path below the unit's own group, or ''. */
  async attachProcesses(name: string, subgroup: string, pids: readonly number[]): Promise<void> {
    await this.#call('AttachProcessesToUnit', 'ssau', [name, subgroup, pids])
  }

  /** 252, of `252.38-1~deb12u1` or `v252`. */
  async version(): Promise<number> {
    return Number(/\d+/.exec(await this.#property('Version'))?.[0] ?? 0)
  }

  /** The group that the manager itself has: a user's units are below it. */
  async controlGroup(): Promise<string> {
    return await this.#property('ControlGroup')
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]()
  }

  async #property(name: string): Promise<string> {
    const [variant] = await this.#connection.call({
      ...MANAGER,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'Get',
      signature: 'ss',
      body: [MANAGER.interface, name],
    })
    const value = variant !== undefined && isVariant(variant) ? variant.value : undefined
    if (typeof value !== 'string') throw new Failure('data-loss', `systemd: no property ${name}`)
    return value
  }

  #call(member: string, signature: string, body: readonly DbusValue[]): Promise<readonly DbusValue[]> {
    return this.#connection.call({ ...MANAGER, member, signature, body })
  }

  /** Starts a job and waits for its end. */
  async #job(member: string, signature: string, body: readonly DbusValue[]): Promise<string> {
    await this.#subscribe()
    const [path] = await this.#call(member, signature, body)
    if (typeof path !== 'string') throw new Failure('data-loss', `systemd: ${member} names no job`)
    const result = await this.#results.wait(path)
    if (result !== undefined) return result
    throw new Failure('deadline-exceeded', `Timeout waiting for systemd: ${member} ${String(body[0])}`)
  }

  /** systemd sends signals only where somebody wants them. */
  async #subscribe(): Promise<void> {
    if (this.#isSubscribed) return
    this.#isSubscribed = true
    await this.#connection.match(
      `type='signal',interface='${MANAGER.interface}',member='JobRemoved',path='${MANAGER.path}'`,
    )
    await this.#call('Subscribe', '', [])
  }
}

/** How jobs ended; also those that ended before we knew that they are ours. */
class JobResults {
  readonly #results = new Map<string, string>()
  #onResult: () => void = () => {}

  /** JobRemoved(u id, o job, s unit, s result) */
  take({ member, interface: from, body }: DbusMessage): void {
    const [, path, , result] = body
    if (from !== MANAGER.interface || member !== 'JobRemoved') return
    if (typeof path !== 'string' || typeof result !== 'string') return
    this.#results.set(path, result)
    this.#onResult()
  }

  /** undefined: not in time. */
  wait(path: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), JOB_TIMEOUT_MS)
      this.#onResult = () => {
        const result = this.#results.get(path)
        if (result === undefined) return
        clearTimeout(timer)
        resolve(result)
      }
      this.#onResult()
    })
  }
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof DbusError && error.dbusName === `org.freedesktop.systemd1.${name}`
}

function encode(properties: readonly UnitProperty[]): DbusValue {
  return properties.map(({ name, signature, value }) => [name, { signature, value }])
}

/** The bus, or the manager's own socket where there is no bus (yet). */
async function openManager(isUser: boolean, onSignal: (message: DbusMessage) => void): Promise<DbusConnection> {
  const { DBUS_SYSTEM_BUS_ADDRESS, XDG_RUNTIME_DIR } = process.env
  const own = isUser ? join(XDG_RUNTIME_DIR ?? '/nowhere', 'systemd/private') : '/run/systemd/private'
  try {
    const address = isUser ? userBus() : (DBUS_SYSTEM_BUS_ADDRESS ?? addressOf('/run/dbus/system_bus_socket'))
    return await DbusConnection.open(address, { onSignal })
  } catch (error) {
    if (!existsSync(own)) throw error
    return await DbusConnection.open(addressOf(own), { onSignal, isPeer: true })
  }
}

function userBus(): string {
  const { DBUS_SESSION_BUS_ADDRESS: address, XDG_RUNTIME_DIR: directory } = process.env
  if (address) return address
  const path = join(directory ?? '/nowhere', 'bus')
  if (existsSync(path)) return addressOf(path)
  throw new Failure(
    'unavailable',
    'could not detect DBUS_SESSION_BUS_ADDRESS from the environment; make sure you have installed the dbus-user-session or dbus-daemon package; note you may need to re-login',
  )
}

function addressOf(path: string): string {
  return `unix:path=${encodeURIComponent(path).replaceAll('%2F', '/')}`
}
