// -info: what this runtime is and can do, for the options that standard input holds.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { SHIM_VERSION } from './main.ts'
import { Any, RuntimeInfo } from '../wire/shim-v2/messages.ts'
import { parseRuntimeOptions } from '../containerd/tasks/runtime-options.ts'
import { findProgram } from './serve.ts'

/** typeurl's name for the features of runtime-spec, which are JSON. */
const FEATURES_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/features/Features'

export async function describeRuntime(): Promise<Uint8Array> {
  const input = readFileSync(0)
  const asked = input.length === 0 ? undefined : Any.decode(input)
  const { binaryName } = parseRuntimeOptions(asked)
  const value = execFileSync(binaryName === '' ? findProgram('berth-runc') : binaryName, ['features'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return RuntimeInfo.encode({
    name: 'io.containerd.berth.v2',
    version: { version: SHIM_VERSION },
    ...(asked === undefined ? {} : { options: asked }),
    features: { typeUrl: FEATURES_TYPE, value },
  })
}
