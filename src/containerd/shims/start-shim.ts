// The action `start`: a shim for this bundle, new or its group's, and where it serves.
import { isFailure, withSubject } from '../../base/failure.ts'
import { Any, BootstrapParams } from '../../wire/shim-v2/messages.ts'
import { CONTAINERD_VERSION } from '../services/version.ts'
import { type Bundle, writeEndpoint, writeProgram } from './bundle.ts'
import { runShim } from './run-shim.ts'
import type { ShimHost } from './shim-host.ts'
import { type Endpoint, parseStartAnswer } from './start-answer.ts'

/** It only has to start a process. Booting a machine is Create's. */
const START_MS = 60_000
const LOG_LEVEL = { debug: -4, info: 0 } as const

/** What the shims of containerd 2.4 say to the input of its predecessors. */
const WANTS_BOOTSTRAP = /started through the deprecated API|bootstrap parameters/

/** Throws in containerd's words, `failed to start shim: start failed: …`. */
export async function startShim(
  host: ShimHost,
  request: { bundle: Bundle; program: string; options: Any | undefined; signal: AbortSignal },
): Promise<Endpoint> {
  const { bundle, program } = request
  writeProgram(bundle, program)
  try {
    const endpoint = parseStartAnswer(await start(host, request))
    writeEndpoint(bundle, endpoint)
    return endpoint
  } catch (error) {
    throw withSubject('failed to start shim: start failed', error)
  }
}

/** All shims up to containerd 2.3 read the options from standard input, as an Any; later ones want parameters, and say so. */
async function start(
  host: ShimHost,
  { bundle, program, options, signal }: Parameters<typeof startShim>[1],
): Promise<Buffer> {
  const run = (input: Uint8Array) =>
    runShim(host, program, bundle, { action: 'start', input, signal, timeoutMs: START_MS })
  try {
    return (await run(options === undefined ? new Uint8Array(0) : Any.encode(options))).combined
  } catch (error) {
    if (!isFailure(error, 'unknown') || !WANTS_BOOTSTRAP.test(error.message)) throw error
    return (await run(encodeBootstrap(host, bundle, options))).combined
  }
}

function encodeBootstrap(host: ShimHost, bundle: Bundle, options: Any | undefined): Uint8Array {
  return BootstrapParams.encode({
    instanceId: bundle.id,
    namespace: bundle.namespace,
    logLevel: host.isDebug ? LOG_LEVEL.debug : LOG_LEVEL.info,
    containerdVersion: CONTAINERD_VERSION,
    containerdTtrpcAddress: host.ttrpcAddress,
    containerdGrpcAddress: host.grpcAddress,
    containerdBinary: host.program,
    extensions: options === undefined ? [] : [{ value: options }],
  })
}
