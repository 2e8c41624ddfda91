// One connection to a message bus, or to a peer that speaks the same without one: calls, their answers, and signals.
import { connect, type Socket } from 'node:net'
import { Failure, messageOf } from '../../../base/failure.ts'
import {
  type DbusMessage,
  decodeMessage,
  ERROR,
  encodeMessage,
  METHOD_CALL,
  METHOD_RETURN,
  messageLength,
  SIGNAL,
} from './dbus-message.ts'
import type { DbusValue } from './dbus-values.ts'

const CALL_TIMEOUT_MS = 25_000 // that of every D-Bus library

/** An answer that says no. Decide on `dbusName`, `org.freedesktop.systemd1.UnitExists`. */
export class DbusError extends Failure {
  readonly dbusName: string

  constructor(dbusName: string, text: string) {
    super(
      /AccessDenied|AuthFailed|InteractiveAuthorizationRequired/.test(dbusName)
        ? 'permission-denied'
        : 'failed-precondition',
      text || dbusName,
    )
    this.dbusName = dbusName
  }
}

export interface DbusCall {
  destination: string
  path: string
  interface: string
  member: string
  signature?: string
  body?: readonly DbusValue[]
}

interface Pending {
  resolve(body: readonly DbusValue[]): void
  reject(error: Error): void
}

export class DbusConnection implements Disposable {
  readonly #socket: Socket
  readonly #pending = new Map<number, Pending>()
  readonly #isPeer: boolean
  readonly #onSignal: (message: DbusMessage) => void
  #serial = 0
  #received: Buffer = Buffer.alloc(0)
  #ended: Error | undefined

  private constructor(socket: Socket, isPeer: boolean, onSignal: (message: DbusMessage) => void) {
    this.#socket = socket
    this.#isPeer = isPeer
    this.#onSignal = onSignal
  }

  /**
   * Whoever opens it closes it.
   * @param address as in DBUS_SESSION_BUS_ADDRESS; the first that answers
   * @param isPeer there is no bus between us and the one we talk to, and so no names
   */
  static async open(
    address: string,
    { isPeer = false, onSignal = () => {} }: { isPeer?: boolean; onSignal?: (message: DbusMessage) => void } = {},
  ): Promise<DbusConnection> {
    const failures: string[] = []
    for (const path of socketsOf(address)) {
      try {
        const { socket, rest } = await authenticate(await dial(path))
        const connection = new DbusConnection(socket, isPeer, onSignal)
        connection.#listen(rest)
        if (!isPeer) await connection.call({ ...BUS, member: 'Hello' })
        return connection
      } catch (error) {
        failures.push(`${path.replace('\0', '@')}: ${messageOf(error)}`)
      }
    }
    const why = failures.length === 0 ? 'no unix socket in it' : failures.join('; ')
    throw new Failure('unavailable', `D-Bus: error while dialing ${JSON.stringify(address)}: ${why}`)
  }

  /** Rejects with DbusError for an answer that says no. */
  call({ destination, body = [], ...call }: DbusCall): Promise<readonly DbusValue[]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const serial = ++this.#serial
    const to = this.#isPeer ? {} : { destination }
    this.#socket.write(encodeMessage({ type: METHOD_CALL, serial, ...to, ...call, body }))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(serial)
        reject(new Failure('deadline-exceeded', `D-Bus: no answer to ${call.member}`))
      }, CALL_TIMEOUT_MS)
      this.#pending.set(serial, {
        resolve: (answer) => {
          clearTimeout(timer)
          resolve(answer)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  /** Asks the bus for signals; a peer sends them unasked. */
  async match(rule: string): Promise<void> {
    if (!this.#isPeer) await this.call({ ...BUS, member: 'AddMatch', signature: 's', body: [rule] })
  }

  [Symbol.dispose](): void {
    this.#end(new Failure('cancelled', 'D-Bus: closed'))
  }

  #listen(rest: Buffer): void {
    this.#socket.on('error', (error) => this.#end(error))
    this.#socket.on('close', () => this.#end(new Failure('unavailable', 'D-Bus: the connection was closed')))
    this.#socket.on('data', (bytes) => this.#take(bytes))
    this.#take(rest)
    this.#socket.resume()
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
    try {
      for (;;) {
        const length = messageLength(this.#received)
        if (length === undefined || this.#received.length < length) return
        const message = decodeMessage(this.#received.subarray(0, length))
        this.#received = this.#received.subarray(length)
        this.#dispatch(message)
      }
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #dispatch(message: DbusMessage): void {
    if (message.type === SIGNAL) return this.#onSignal(message)
    const pending = this.#pending.get(message.replySerial ?? 0)
    if (pending === undefined) return // too late, or a call to us, who serve nothing
    this.#pending.delete(message.replySerial ?? 0)
    const [text] = message.body
    if (message.type === METHOD_RETURN) pending.resolve(message.body)
    else if (message.type === ERROR)
      pending.reject(new DbusError(message.errorName ?? '', typeof text === 'string' ? text : ''))
  }

  #end(error: Error): void {
    this.#ended ??= error
    this.#socket.destroy()
    for (const { reject } of this.#pending.values()) reject(this.#ended)
    this.#pending.clear()
  }
}

const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' }

/** `unix:path=/run/dbus/x,guid=…;unix:abstract=y`, with `%2c` and the like. Other transports are left out. */
export function socketsOf(address: string): string[] {
  return address.split(';').flatMap((part) => {
    if (!part.startsWith('unix:')) return []
    const pairs = part.slice('unix:'.length).split(',')
    const value = (key: string) => {
      const pair = pairs.find((each) => each.startsWith(`${key}=`))
      return pair === undefined ? undefined : decodeURIComponent(pair.slice(key.length + 1))
    }
    const [path, abstract] = [value('path'), value('abstract')]
    if (path !== undefined) return [path]
    return abstract === undefined ? [] : [`\0${abstract}`]
  })
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/**
 * SASL EXTERNAL without a name: the other side knows us by the socket's credentials, which also holds in a user namespace, where we do not
 * know our own number. All goes at once: systemd would not see a message that comes in one piece with `BEGIN`.
 */
function authenticate(socket: Socket): Promise<{ socket: Socket; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const timer = setTimeout(() => finish(new Failure('deadline-exceeded', 'D-Bus: no answer')), CALL_TIMEOUT_MS)
    const finish = (error: Error | undefined, rest?: Buffer) => {
      clearTimeout(timer)
      socket.removeAllListeners().pause()
      if (error === undefined) return resolve({ socket, rest: rest ?? Buffer.alloc(0) })
      socket.destroy()
      reject(error)
    }
    socket.on('error', finish)
    socket.on('close', () => finish(new Failure('unavailable', 'D-Bus: hung up on us')))
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes])
      for (;;) {
        const end = received.indexOf('\r\n')
        if (end === -1 && received.length < 4096) return
        const line = received.subarray(0, end).toString('latin1')
        received = received.subarray(end + 2)
        if (line === 'DATA' || line === 'DATA ') continue
        if (line.startsWith('OK ')) return finish(undefined, received)
        return finish(new Failure('permission-denied', `D-Bus: not authenticated: ${line}`))
      }
    })
    socket.write('\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n')
  })
}
