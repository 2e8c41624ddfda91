// What a runtime is and can do: ours by itself, another by its shim's `-info`.
import { execFile } from 'node:child_process'
import { basename } from 'node:path'
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { Failure, messageOf } from '../../base/failure.ts'
import { OptionsSchema } from '../../gen/runc/options_pb.ts'
import { RuntimeInfoSchema, RuntimeRequestSchema } from '../../gen/types/runtime_info_pb.ts'
import { isOwn, OWN_RUNTIMES } from '../own-runtimes.ts'
import { CONTAINERD_VERSION } from './version.ts'

/** typeurl's name for the features of runtime-spec, which are JSON. */
const FEATURES_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/features/Features'
const INFO_MS = 10_000
const INFO_BYTES_MAX = 1 << 20

/** @param request a RuntimeRequest. Resolves with a RuntimeInfo. */
export async function describeRuntime(request: Any): Promise<MessageInitShape<typeof AnySchema>> {
  if (nameOf(request) !== RuntimeRequestSchema.typeName)
    throw new Failure('unimplemented', `unknown request type ${request.typeUrl}: not implemented`)
  const { runtimePath, options } = fromBinary(RuntimeRequestSchema, request.value)
  const info =
    runtimePath === '' || isOwn(runtimePath, OWN_RUNTIMES)
      ? await describeOurs(options)
      : await askShim(runtimePath, options)
  return { typeUrl: RuntimeInfoSchema.typeName, value: info }
}

function nameOf({ typeUrl }: Any): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
}

/** Loaded when it is asked for, which is seldom. */
async function describeOurs(options: Any | undefined): Promise<Uint8Array> {
  const { describeFeatures } = await import('../../runc/features.ts')
  const program =
    options !== undefined && nameOf(options) === OptionsSchema.typeName
      ? fromBinary(OptionsSchema, options.value).binaryName
      : ''
  const features =
    program === '' || basename(program) === 'berth-runc'
      ? Buffer.from(JSON.stringify(describeFeatures()))
      : await output(program, ['features'], new Uint8Array())
  return toBinary(
    RuntimeInfoSchema,
    create(RuntimeInfoSchema, {
      name: 'io.containerd.runc.v2',
      version: { version: CONTAINERD_VERSION },
      ...(options === undefined ? {} : { options }),
      features: { typeUrl: FEATURES_TYPE, value: features },
    }),
  )
}

/** `io.containerd.runsc.v1` is `containerd-shim-runsc-v1`; a path is itself. */
async function askShim(runtime: string, options: Any | undefined): Promise<Uint8Array> {
  const [kind = '', version = ''] = runtime.split('.').slice(-2)
  const program = runtime.startsWith('/') ? runtime : `containerd-shim-${kind}-${version}`
  const info = await output(program, ['-info'], toBinary(AnySchema, options ?? create(AnySchema)))
  try {
    fromBinary(RuntimeInfoSchema, info)
  } catch (error) {
    throw new Failure('unknown', `failed to unmarshal stdout from [${program} -info]: ${messageOf(error)}`)
  }
  return info
}

function output(program: string, args: readonly string[], input: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const limits = { encoding: 'buffer', timeout: INFO_MS, maxBuffer: INFO_BYTES_MAX } as const
    const child = execFile(program, args, limits, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const words = `failed to run [${[program, ...args].join(' ')}]: ${error.message} (stderr: ${JSON.stringify(stderr.toString())})`
      reject(new Failure(error.code === 'ENOENT' ? 'not-found' : 'unknown', words, { cause: error }))
    })
    child.stdin?.on('error', () => {}) // one that does not read what it is given is no failure
    child.stdin?.end(input)
  })
}
