// An engine with the one image that most tests need, and the registry that it came from.
import { type EngineOptions, startEngine, type TestEngine } from './berth.ts'
import { pushBusybox } from './images.ts'
import { startRegistry, type TestRegistry } from './registry.ts'

export interface BusyboxEngine extends TestEngine {
  registry: TestRegistry
  /** Busybox by its name in that registry; the engine has it. */
  image: string
}

/** Disposal ends both. */
export async function startBusyboxEngine(options: EngineOptions = {}): Promise<BusyboxEngine> {
  const engine = await startEngine(options)
  const registry = await startRegistry(`${engine.directory}/registry`)
  const image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', image)
  return {
    ...engine,
    registry,
    image,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
    },
  }
}
