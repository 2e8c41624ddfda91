// The whole stack inside another program: engine and containerd in this process, one shim per container as ever.
//
//     await using berth = await openBerth({ directory: '/var/lib/mine', shimPath: 'build/bin/berth-shim' })
//     const { container } = await createContainer(berth.engine, { name: '', request: { Image: 'busybox', Cmd: ['true'] } })
//     await startContainer(berth.engine, container, { isAutomatic: false })
//
// The verbs are those of src/engine/container, src/engine/image and src/engine/exec. `listen` serves Docker's API besides, for any client.
import { join } from 'node:path'
import { type Log, silentLog } from '../src/base/log.ts'
import { UndoStack } from '../src/base/undo-stack.ts'
import { embedContainerd } from '../src/containerd/client/client.ts'
import { openContainerd } from '../src/containerd/open-containerd.ts'
import { openTasks } from '../src/containerd/open-tasks.ts'
import type { Engine } from '../src/engine/engine.ts'
import { serveApi } from '../src/engine/serve-api.ts'
import { loadConfig } from '../src/engine/load-config.ts'
import { openEngine } from '../src/engine/open-engine.ts'
import { lockDataRoot } from '../src/engine/pid-file.ts'
import { addRemapUser } from '../src/engine/userns/add-remap-user.ts'
import { hostDatabase } from '../src/engine/userns/resolve-remap.ts'
import { openNativeKernel } from '../src/linux/native-kernel.ts'

export interface BerthOptions {
  /** Holds everything, as `data` and `exec`. One program at a time. */
  directory: string
  /** The berth-shim program. */
  shimPath: string
  /** Further flags of berthd, such as `--bip` or `--insecure-registry`. */
  flags?: readonly string[]
  log?: Log
}

export interface Berth extends AsyncDisposable {
  readonly engine: Engine
  /** Serves Docker's API on `unix://…` or `tcp://…` until the end. */
  listen(address: string): Promise<void>
}

/** Needs root. Disposal lets go of everything in this process; running containers run on and are found again by the next one. */
export async function openBerth(options: BerthOptions): Promise<Berth> {
  const { directory, shimPath, flags = [], log = silentLog } = options
  const roots = ['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')]
  const { config } = loadConfig([...roots, ...flags], process.env, hostDatabase(addRemapUser))
  await using undo = new UndoStack((error) => log.warn('closing', { error: String(error) }))
  undo.defer(lockDataRoot(openNativeKernel(), config.dataRoot))
  const containerd = undo.use(
    await openContainerd({
      root: join(config.dataRoot, 'containerd'),
      state: join(config.execRoot, 'containerd/state'),
      log,
      openTasks: (deps) => openTasks({ ...deps, shimPath }),
    }),
  )
  const client = embedContainerd(containerd.router, config.containerdNamespace)
  undo.defer(() => client.close())
  const { engine, handlers, close } = await openEngine({ config, containerd: client, log })
  undo.defer(close)
  const closing = undo.release()
  return {
    engine,
    async listen(address) {
      const settings = { ...config, hosts: [address] }
      const api = await serveApi({ config: settings, handlers, plugins: engine.plugins, activated: [], log })
      closing.defer(() => api.close())
    },
    [Symbol.asyncDispose]: () => closing[Symbol.asyncDispose](),
  }
}
