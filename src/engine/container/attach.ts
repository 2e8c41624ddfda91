// POST /containers/{id}/attach and GET /containers/{id}/attach/ws: a client at the container's standard streams. Before the start it waits for it, which is what `docker run` does.
import type { Duplex } from 'node:stream'
import { Failure, messageOf } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { writeTo } from '../logs/write-to.ts'
import { requireReadable } from '../logs/log-reading.ts'
import { readLog } from '../logs/read-log.ts'
import type { Container } from './container.ts'
import { isAlive } from './container-state.ts'
import { publishContainerEvent } from './publish-event.ts'
import { endClient, splice } from './splice.ts'
import { INIT } from '../streams/container-streams.ts'

export interface AttachOptions {
  stdin: boolean
  stdout: boolean
  stderr: boolean
  /** Live output and input, not only the log. */
  stream: boolean
  /** What was logged so far comes first. */
  logs: boolean
  detachKeys: readonly number[]
  /** Bytes of both streams as they come, without Docker's frames. */
  unframed: boolean
}

/** Throws conflict in Docker's words. Call before the connection is taken over. */
export function requireAttachable(container: Container, name: string): void {
  if (container.state.status === 'paused')
    throw new Failure('conflict', `container ${name} is paused, unpause the container before attach`)
  if (container.state.status === 'restarting')
    throw new Failure('conflict', `container ${name} is restarting, wait until the container is running`)
}

/** The client is ours, and closed when this resolves. Never rejects once it has begun. */
export async function attachClient(
  engine: Engine,
  container: Container,
  client: Duplex,
  options: AttachOptions,
): Promise<void> {
  let shim: Duplex | undefined
  try {
    // Before the log is read, so that nothing falls between the two; what is written meanwhile may come twice, as in Docker.
    if (options.stream && isAlive(container.state)) shim = await connect(engine, container, options)
    if (options.logs) await replayLog(container, client, options)
    publishContainerEvent(engine, container, 'attach')
    if (!options.stream) return endClient(client)
    shim ??= await connectWhenRunning(engine, container, client, options)
    if (shim === undefined) return endClient(client)
    const { OpenStdin, StdinOnce } = container.record.config
    const stdin = options.stdin && OpenStdin === true
    const end = await splice(client, shim, {
      stdin,
      detachKeys: stdin && container.hasTerminal ? options.detachKeys : undefined,
      endsWithInput: container.hasTerminal || StdinOnce !== true,
      unframed: options.unframed && !container.hasTerminal,
    })
    if (end === 'detached') publishContainerEvent(engine, container, 'detach')
  } catch (error) {
    engine.log.warn('attach failed', { container: container.id, error: messageOf(error) })
    shim?.destroy()
    client.destroy()
  }
}

async function replayLog(container: Container, client: Duplex, options: AttachOptions): Promise<void> {
  const gone = new AbortController()
  client.once('close', () => gone.abort())
  await readLog(
    { ...requireReadable(container), ended: Promise.resolve() },
    {
      stdout: options.stdout,
      stderr: options.stderr,
      since: undefined,
      until: undefined,
      timestamps: false,
      details: false,
      framed: !container.hasTerminal && !options.unframed,
      tail: undefined,
      follow: false,
    },
    (bytes) => writeTo(client, bytes),
    gone.signal,
  )
}

function connect(engine: Engine, container: Container, { stdin, stdout, stderr }: AttachOptions): Promise<Duplex> {
  return engine.streams.connect(container, INIT, {
    stdin: stdin && container.record.config.OpenStdin === true,
    stdout,
    stderr: stderr && !container.hasTerminal,
  })
}

/** Undefined: the start failed, the container was removed, or the client has left meanwhile. */
async function connectWhenRunning(
  engine: Engine,
  container: Container,
  client: Duplex,
  options: AttachOptions,
): Promise<Duplex | undefined> {
  if (isAlive(container.state)) return connect(engine, container, options)
  return new Promise((resolve, reject) => {
    const settle = (shim: Duplex | undefined) => {
      container.waitingClients.delete(waiting)
      client.removeListener('close', onClose)
      resolve(shim)
    }
    const onClose = () => settle(undefined)
    const waiting = {
      connect: () => connect(engine, container, options).then(settle, reject),
      cancel: () => settle(undefined),
    }
    container.waitingClients.add(waiting)
    client.once('close', onClose)
  })
}
