// Streams that our own shim keeps: it is told by a URI where its log and its socket are, and needs nothing else of the engine.
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { attachStream, connectStream, openStream } from '../../containerd/client/attach-stream.ts'
import { formatStdioUri } from '../../containerd/client/stdio-uri.ts'
import type { EngineConfig } from '../config.ts'
import { openLog } from '../logs/open-log.ts'
import { streamSocketPath, streamsDirectory } from '../container/paths.ts'
import type { ContainerStreams, StdioFields } from './container-streams.ts'

export function openShimStreams(config: EngineConfig): ContainerStreams {
  const engine = { config }
  const fields = (uri: string, hasStdin: boolean, isTerminal: boolean): StdioFields => ({
    stdin: hasStdin ? uri : '',
    stdout: uri,
    stderr: isTerminal ? '' : uri,
  })
  return {
    async open(container) {
      const { config: wanted } = container.record
      const uri = formatStdioUri({
        socketPath: streamSocketPath(engine, container.id),
        log: openLog(container),
        stdinOnce: wanted.StdinOnce === true,
      })
      return fields(uri, wanted.OpenStdin === true, container.hasTerminal)
    },
    async starting() {},
    async openExec({ container, config: wanted, hasInput }) {
      const socketPath = streamSocketPath(engine, container.id)
      const uri = formatStdioUri({ socketPath, log: undefined, stdinOnce: false })
      return fields(uri, hasInput, wanted.terminal)
    },
    connect: async (container, process, choice) =>
      (await connectStream(streamSocketPath(engine, container.id), process, choice)).socket,
    async reach(container) {
      const socket = await openStream(streamSocketPath(engine, container.id))
      return {
        isOrdered: true,
        attach: (process, choice) => attachStream(socket, process, choice).then((attached) => attached.socket),
        leave: () => void socket.destroy(),
      }
    },
    async drained() {}, // the shim tells the exit after it
    async closeExec() {},
    async close(containerId) {
      rmSync(streamSocketPath(engine, containerId), { force: true }) // a shim that was killed leaves it
    },
    async adopt() {},
    async sweep(live) {
      const directory = streamsDirectory(engine)
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      for (const id of readdirSync(directory)) if (!live.has(id)) rmSync(join(directory, id), { force: true })
    },
  }
}
