// The controller `shim`: a sandbox is a shim of its own, which is asked about it by containerd.runtime.sandbox.v1.
import { mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { Failure, isFailure, messageOf, withSubject } from '../../base/failure.ts'
import { Sandbox as SandboxService } from '../../gen/runtime/sandbox_pb.ts'
import type { Mount } from '../../gen/types/mount_pb.ts'
import { connectTtrpc, type TtrpcTransport } from '../../wire/ttrpc/ttrpc-transport.ts'
import { isOwn } from '../own-runtimes.ts'
import { type Bundle, bundleOf, makeBundle, readEndpoint, readProgram } from '../shims/bundle.ts'
import { endUnanswered, removeLeft } from '../shims/end-shim.ts'
import { resolveShim } from '../shims/resolve-shim.ts'
import { drainShimLog } from '../shims/shim-log.ts'
import type { ShimHost } from '../shims/shim-host.ts'
import { type Endpoint, socketOf } from '../shims/start-answer.ts'
import { startShim } from '../shims/start-shim.ts'

/** What a sandbox is made from. */
export interface SandboxCreation {
  namespace: string
  id: string
  runtime: string
  options: Any | undefined
  spec: Any | undefined
  rootfs: Mount[]
  netnsPath: string
  annotations: Record<string, string>
  signal: AbortSignal
}

interface Running {
  readonly bundle: Bundle
  readonly program: string
  readonly endpoint: Endpoint
  readonly transport: TtrpcTransport
  readonly log: { close(): void }
}

/** Our own shim, beside our own program. */
const OWN_SHIM = 'containerd-shim-berth-v2'
/** A shim that ends answers this at once. */
const SHUTDOWN_MS = 5_000

export class SandboxController {
  readonly #host: ShimHost
  readonly #ownRuntimes: readonly string[]
  readonly #running = new Map<string, Running>()
  /** Being made: two that ask for one id must not share its bundle. */
  readonly #making = new Set<string>()
  /** Their shims have gone, and what they leave is being removed. */
  readonly #ending = new Map<string, Promise<void>>()

  private constructor(host: ShimHost, ownRuntimes: readonly string[]) {
    this.#host = host
    this.#ownRuntimes = ownRuntimes
  }

  /** Resolves when the sandboxes of living shims are found again and those of dead ones cleaned up after. */
  static async open(host: ShimHost, ownRuntimes: readonly string[]): Promise<SandboxController> {
    const controller = new SandboxController(host, ownRuntimes)
    for (const directory of [host.state, host.root]) mkdirSync(directory, { recursive: true, mode: 0o700 })
    for (const namespace of readdirSync(host.state))
      for (const id of readdirSync(join(host.state, namespace)))
        await controller.#load({ namespace, id, path: join(host.state, namespace, id) })
    return controller
  }

  /** Everything is undone on failure. Throws `already-exists` where it runs. */
  async create(request: SandboxCreation): Promise<void> {
    const { namespace, id } = request
    const key = `${namespace}/${id}`
    if (this.#running.has(key) || this.#making.has(key))
      throw new Failure('already-exists', `sandbox ${id} already running: already exists`)
    const bundle = bundleOf(this.#host, namespace, id)
    const program = this.#programOf(request)
    this.#making.add(key)
    await this.#ending.get(key)
    try {
      await makeBundle(this.#host, { namespace, id, spec: request.spec })
      const running = await this.#start(bundle, program, request)
      await this.#makeSandbox(running, request)
    } catch (error) {
      await this.#cleanUp(bundle, program)
      throw error
    } finally {
      this.#making.delete(key)
    }
  }

  /** Throws `not-found` for one that does not run, and what its shim answers. */
  call<Method extends DescMethodUnary>(
    method: Method,
    sandbox: { namespace: string; id: string },
    request: MessageInitShape<Method['input']>,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<MessageShape<Method['output']>> {
    return callShim(this.#require(sandbox), method, request, options)
  }

  isRunning({ namespace, id }: { namespace: string; id: string }): boolean {
    return this.#running.has(`${namespace}/${id}`)
  }

  endpointOf(sandbox: { namespace: string; id: string }): Endpoint {
    return this.#require(sandbox).endpoint
  }

  /** Ends the shim; nothing of the sandbox stays. */
  async shutdown(sandbox: { namespace: string; id: string }): Promise<void> {
    const ending = this.#ending.get(`${sandbox.namespace}/${sandbox.id}`)
    if (ending !== undefined) return await ending // it went when it was asked to stop
    const running = this.#require(sandbox)
    const request = { sandboxId: sandbox.id }
    try {
      await callShim(running, SandboxService.method.shutdownSandbox, request, { timeoutMs: SHUTDOWN_MS })
    } catch (error) {
      if (running.transport.isOpen) throw withSubject('failed to shutdown sandbox', error)
    }
    this.#running.delete(`${sandbox.namespace}/${sandbox.id}`)
    running.transport.close()
    running.log.close()
    await this.#cleanUp(running.bundle, running.program)
  }

  #require({ namespace, id }: { namespace: string; id: string }): Running {
    const running = this.#running.get(`${namespace}/${id}`)
    if (running === undefined) throw new Failure('not-found', `shim ${id}: not found`)
    return running
  }

  #programOf({ runtime, id }: SandboxCreation): string {
    const { program } = this.#host
    if (isOwn(runtime, this.#ownRuntimes)) return join(dirname(program), OWN_SHIM)
    try {
      return resolveShim(runtime, program)
    } catch (error) {
      const words = messageOf(error).replace(/^failed to start shim: /, '')
      throw new Failure('unknown', `failed to start new shim for sandbox ${id}: ${words}`, { cause: error })
    }
  }

  async #start(bundle: Bundle, program: string, request: SandboxCreation): Promise<Running> {
    const { options, signal, id } = request
    const log = drainShimLog(this.#host, bundle)
    try {
      const endpoint = await startShim(this.#host, { bundle, program, options, signal })
      return await this.#connect(bundle, program, endpoint, log)
    } catch (error) {
      log.close()
      throw withSubject(`failed to start new shim for sandbox ${id}`, error)
    }
  }

  async #connect(bundle: Bundle, program: string, endpoint: Endpoint, log: Running['log']): Promise<Running> {
    const running = { bundle, program, endpoint, log, transport: await connectTtrpc(socketOf(endpoint.address)) }
    const key = `${bundle.namespace}/${bundle.id}`
    this.#running.set(key, running)
    void running.transport.closed.then(() => {
      if (this.#running.get(key) !== running) return // it was asked to end
      this.#host.log.info('the shim of a sandbox has gone', { sandbox: bundle.id })
      this.#running.delete(key)
      log.close()
      const ending = this.#cleanUp(bundle, program).finally(() => this.#ending.delete(key))
      this.#ending.set(key, ending)
      ending.catch((error: unknown) =>
        this.#host.log.error('cleaning up after a sandbox failed', { sandbox: bundle.id, error: messageOf(error) }),
      )
    })
    return running
  }

  async #makeSandbox(running: Running, request: SandboxCreation): Promise<void> {
    const { id: sandboxId, rootfs, options, netnsPath, annotations, signal } = request
    const asked = { sandboxId, bundlePath: running.bundle.path, rootfs, netnsPath, annotations }
    try {
      const { createSandbox } = SandboxService.method
      await callShim(running, createSandbox, { ...asked, ...(options === undefined ? {} : { options }) }, { signal })
    } catch (error) {
      this.#running.delete(`${request.namespace}/${sandboxId}`)
      running.transport.close()
      running.log.close()
      throw withSubject(`failed to create sandbox ${sandboxId}`, error)
    }
  }

  async #load(bundle: Bundle): Promise<void> {
    const program = readProgram(bundle)
    try {
      const endpoint = readEndpoint(bundle)
      if (endpoint === undefined || program === undefined) throw new Error('its shim had not been started')
      await this.#connect(bundle, program, endpoint, drainShimLog(this.#host, bundle))
    } catch (error) {
      this.#host.log.info('removing a sandbox without a shim', { sandbox: bundle.id, error: messageOf(error) })
      await this.#cleanUp(bundle, program)
    }
  }

  async #cleanUp(bundle: Bundle, program: string | undefined): Promise<void> {
    await endUnanswered(this.#host, bundle, program)
    await removeLeft(this.#host, bundle)
  }
}

async function callShim<Method extends DescMethodUnary>(
  { transport, bundle }: Running,
  method: Method,
  request: MessageInitShape<Method['input']>,
  options: { signal?: AbortSignal; timeoutMs?: number },
): Promise<MessageShape<Method['output']>> {
  const call = {
    service: SandboxService.typeName,
    method: method.name,
    request: {
      encode: (value: MessageShape<Method['input']>) => toBinary(method.input, value),
      decode: (bytes: Uint8Array): unknown => fromBinary(method.input, bytes),
    },
    response: {
      encode: (value: never) => toBinary(method.output, value),
      decode: (bytes: Uint8Array) => fromBinary(method.output, bytes) as MessageShape<Method['output']>,
    },
  }
  const metadata = { 'containerd-namespace-ttrpc': bundle.namespace }
  try {
    return await transport.call(call, create(method.input, request), { ...options, metadata })
  } catch (error) {
    throw isFailure(error) ? error : new Failure('unavailable', messageOf(error), { cause: error })
  }
}
