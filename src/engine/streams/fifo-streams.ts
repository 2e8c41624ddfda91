// Streams through a containerd that is not ours: FIFOs, whose other ends its shim has, and at ours a relay per container that writes the log and serves attach.
//
// `<exec-root>/containerd/fifo/<container>/` holds the FIFOs (`init-stdout`, `<exec>-stdin`, …) and the relay's sockets. The relay needs no engine: while none is
// there it goes on. It ends when the engine that saw the container's end says so; one that is killed is started again, and since the foreign shim holds the
// FIFOs open for reading too, what is in them waits for it.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { within } from '../../base/clock.ts'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { shortId } from '../../base/ids.ts'
import type { Log } from '../../base/log.ts'
import { connectStream } from '../../containerd/client/attach-stream.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import type { StreamRelay } from '../../containerd/client/stream-relay.ts'
import { connectRelay, spawnRelay } from '../../containerd/client/stream-relay.ts'
import { AT_FDCWD, S_IFIFO } from '../../linux/constants.ts'
import type { Kernel } from '../../linux/kernel.ts'
import type { EngineConfig } from '../config.ts'
import type { Container } from '../container/container.ts'
import { isAlive } from '../container/container-state.ts'
import { openLog } from '../logs/open-log.ts'
import { streamSocketPath, streamsDirectory } from '../container/paths.ts'
import type { Exec } from '../exec/exec-store.ts'
import type { ContainerStreams, StdioFields, StreamChoice, StreamReach } from './container-streams.ts'
import { INIT } from './container-streams.ts'

/** As dockerd: output of descendants that hold the streams beyond the end of the first process is waited for no longer. */
const DRAIN_LIMIT_MS = 2000

export interface FifoStreamsDeps {
  config: EngineConfig
  containerd: ContainerdClient
  kernel: Kernel
  clock: Clock
  log: Log
  /** Of berth-shim; undefined: it is not installed. */
  shimPath: string | undefined
}

interface OpenRelay {
  relay: StreamRelay
  /** The first process's output has ended. */
  ended: Promise<void>
}

export class FifoStreams implements ContainerStreams {
  readonly #deps: FifoStreamsDeps
  readonly #relays = new Map<string, OpenRelay>()

  constructor(deps: FifoStreamsDeps) {
    this.#deps = deps
    mkdirSync(streamsDirectory(deps), { recursive: true, mode: 0o700 })
    mkdirSync(this.#directory(''), { recursive: true, mode: 0o700 })
  }

  async open(container: Container): Promise<StdioFields> {
    await this.close(container.id)
    mkdirSync(this.#directory(container.id), { mode: 0o700 })
    const fifos = this.#fieldsOf(container)
    this.#makeFifos(fifos)
    this.#keep(container, await this.#spawn(container))
    return fifos
  }

  async starting(container: Container): Promise<void> {
    await this.#require(container).started(INIT)
  }

  async openExec({ id, container, config, hasInput }: Exec): Promise<StdioFields> {
    const fifos = this.#fifos(container.id, id, { stdin: hasInput, stderr: !config.terminal })
    this.#makeFifos(fifos)
    try {
      await this.#require(container).add(id, { relay: { terminal: config.terminal, fifos } })
    } catch (error) {
      this.#removeFifos(container.id, id)
      throw error
    }
    return fifos
  }

  async connect(container: Container, process: string, choice: StreamChoice) {
    return (await connectStream(streamSocketPath(this.#deps, container.id), process, choice)).socket
  }

  async reach(container: Container): Promise<StreamReach> {
    const attach = (process: string, choice: StreamChoice) => this.connect(container, process, choice)
    return { isOrdered: false, attach, leave() {} }
  }

  async drained(container: Container): Promise<void> {
    const open = this.#relays.get(container.id)
    if (open !== undefined) await within(this.#deps.clock, DRAIN_LIMIT_MS, open.ended)
  }

  async closeExec(container: Container, execId: string): Promise<void> {
    await this.#relays
      .get(container.id)
      ?.relay.remove(execId)
      .catch(() => {}) // it never came there
    this.#removeFifos(container.id, execId)
  }

  async close(containerId: string): Promise<void> {
    const open = this.#relays.get(containerId)
    this.#relays.delete(containerId)
    const directory = this.#directory(containerId)
    const relay = open?.relay ?? (existsSync(directory) ? await connectRelay(directory) : undefined)
    await relay?.shutdown()
    rmSync(directory, { recursive: true, force: true })
    rmSync(streamSocketPath(this.#deps, containerId), { force: true }) // of a relay that was killed
  }

  async adopt(container: Container): Promise<void> {
    if (this.#relays.has(container.id)) return
    const living = await connectRelay(this.#directory(container.id))
    const relay = living ?? (await this.#spawn(container))
    this.#keep(container, relay)
    await relay.started(INIT)
    if (living !== undefined) await this.#forgetEndedExecs(container, relay)
    else await this.#addRunningExecs(container, relay)
  }

  async sweep(live: ReadonlySet<string>): Promise<void> {
    for (const id of readdirSync(this.#directory(''))) if (!live.has(id)) await this.close(id)
  }

  #directory(containerId: string): string {
    return join(this.#deps.config.execRoot, 'containerd', 'fifo', containerId)
  }

  #require(container: Container): StreamRelay {
    const open = this.#relays.get(container.id)
    if (open === undefined) throw new Failure('unavailable', `the streams of container ${container.id} are not open`)
    return open.relay
  }

  #fieldsOf(container: Container): StdioFields {
    const { config } = container.record
    return this.#fifos(container.id, INIT, { stdin: config.OpenStdin === true, stderr: !container.hasTerminal })
  }

  #fifos(containerId: string, process: string, wanted: { stdin: boolean; stderr: boolean }): StdioFields {
    const path = (name: string) => join(this.#directory(containerId), `${process}-${name}`)
    return {
      stdin: wanted.stdin ? path('stdin') : '',
      stdout: path('stdout'),
      stderr: wanted.stderr ? path('stderr') : '',
    }
  }

  #makeFifos({ stdin, stdout, stderr }: StdioFields): void {
    for (const path of [stdin, stdout, stderr])
      if (path !== '') this.#deps.kernel.mknodat(AT_FDCWD, path, S_IFIFO | 0o600, { major: 0, minor: 0 })
  }

  #removeFifos(containerId: string, process: string): void {
    const { stdin, stdout, stderr } = this.#fifos(containerId, process, { stdin: true, stderr: true })
    for (const path of [stdin, stdout, stderr]) rmSync(path, { force: true })
  }

  /** The FIFOs are there, new or as a former relay has left them. */
  async #spawn(container: Container): Promise<StreamRelay> {
    const { shimPath } = this.#deps
    if (shimPath === undefined)
      throw new Failure('failed-precondition', 'berth-shim is not installed beside the daemon')
    const settings = {
      directory: this.#directory(container.id),
      label: `relay/${shortId(container.id)}`,
      streamSocketPath: streamSocketPath(this.#deps, container.id),
      log: openLog(container),
      stdinOnce: container.record.config.StdinOnce === true,
    }
    const relay = { terminal: container.hasTerminal, fifos: this.#fieldsOf(container) }
    return await spawnRelay(shimPath, settings, relay)
  }

  #keep(container: Container, relay: StreamRelay): void {
    const { id } = container
    const ended = new Promise<void>((resolve) => {
      relay.onExit(({ process }) => {
        if (process === INIT) resolve()
      })
      void relay.closed.then(resolve)
    })
    this.#relays.set(id, { relay, ended })
    relay.onInputEnd((process) => this.#closeInput(id, process))
    void relay.closed.then(() => {
      if (this.#relays.get(id)?.relay === relay) this.#replace(container)
    })
  }

  /** It was killed. The FIFOs are as it has left them, and full before long. */
  #replace(container: Container): void {
    const { log } = this.#deps
    this.#relays.delete(container.id)
    if (!isAlive(container.state)) return
    log.error('the relay of a container’s streams has ended, it is started again', { container: container.id })
    this.adopt(container).catch((error: unknown) =>
      log.error('a container has no relay for its streams', { container: container.id, error: messageOf(error) }),
    )
  }

  /** The foreign shim holds standard input open itself until it is told. */
  #closeInput(containerId: string, process: string): void {
    const { containerd, log } = this.#deps
    containerd.tasks.closeIO({ containerId, execId: process === INIT ? '' : process, stdin: true }).catch((error) => {
      if (!isFailure(error, 'not-found'))
        // it has ended
        log.warn('closing standard input failed', { container: containerId, process, error: messageOf(error) })
    })
  }

  /** Of a former engine, which was not there to see their end. Those that still run end the same way, through the news of their exit. */
  async #forgetEndedExecs(container: Container, relay: StreamRelay): Promise<void> {
    for (const { process, state } of [...relay.processes.values()])
      if (process !== INIT && state === 'exited') await this.closeExec(container, process)
  }

  async #addRunningExecs(container: Container, relay: StreamRelay): Promise<void> {
    const names = readdirSync(this.#directory(container.id))
    const execs = names.flatMap((name) => /^([0-9a-f]{64})-stdout$/.exec(name)?.[1] ?? [])
    for (const id of execs) {
      const has = (name: string) => names.includes(`${id}-${name}`)
      const fifos = this.#fifos(container.id, id, { stdin: has('stdin'), stderr: has('stderr') })
      await relay.add(id, { relay: { terminal: !has('stderr'), fifos } })
    }
  }
}
