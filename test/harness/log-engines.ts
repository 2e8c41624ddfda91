// Our engine and a real dockerd side by side with the same image, for what containers log.
import { join } from 'node:path'
import { type TestEngine, startEngine } from './berth.ts'
import { type CommandResult, eventually, run } from './command.ts'
import { type RealDockerd, startDockerd } from './dockerd.ts'
import { pushBusybox } from './images.ts'
import { startRegistry, type TestRegistry } from './registry.ts'

export interface LogEngines extends AsyncDisposable {
  engine: TestEngine
  /** Undefined where no dockerd is installed. */
  real: RealDockerd | undefined
  image: string
  /** The Docker CLI, at the real daemon. */
  realDocker(...args: string[]): Promise<CommandResult>
}

export async function startLogEngines(): Promise<LogEngines> {
  const engine = await startEngine()
  const registry: TestRegistry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  const image = `${registry.host}/busybox`
  await engine.ok('pull', '-q', image)
  const real = await startDockerd()
  const realDocker = (...args: string[]) => run(['docker', '-H', `unix://${real?.socketPath}`, ...args])
  if (real !== undefined) await realDocker('pull', '-q', image)
  return {
    engine,
    real,
    image,
    realDocker,
    async [Symbol.asyncDispose]() {
      await real?.[Symbol.asyncDispose]()
      await registry[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
    },
  }
}

/** A file of a container's directory, from either daemon's data root. */
export function containerFile(directory: string, id: string, name: string): string {
  return join(directory, 'data', 'containers', id, name)
}

export async function untilExited(engine: TestEngine, id: string): Promise<void> {
  await eventually(`${id} has ended`, 60_000, async () =>
    ['exited', 'dead'].includes(await engine.ok('inspect', '-f', '{{.State.Status}}', id)),
  )
}
