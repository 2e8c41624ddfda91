// containerd-shim-berth-v2: a drop-in for containerd-shim-runc-v2.
import { basename } from 'node:path'
import { messageOf } from '../base/failure.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { parseFlags, type ShimFlags } from './flags.ts'

const NAME = 'containerd-shim-berth-v2'
export const SHIM_VERSION = '0.1.0'
const USAGE_ERROR = 2

/** @returns the exit code, once everything is done. */
export async function runShim(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let flags: ShimFlags
  try {
    flags = parseFlags(argv)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\nUsage of ${NAME}:\n${USAGE}`)
    return USAGE_ERROR
  }
  try {
    const output = await act(flags, env)
    if (output !== undefined) await write(output)
    return 0
  } catch (error) {
    process.stderr.write(`${NAME}: ${messageOf(error)}`)
    return 1
  }
}

/** Each action brings only its own part of the program: `start` is waited for at every container. */
async function act(flags: ShimFlags, env: NodeJS.ProcessEnv): Promise<Uint8Array | undefined> {
  if (flags.version) return Buffer.from(versionText())
  if (flags.info) return await (await import('./info.ts')).describeRuntime()
  if (flags.namespace === '') throw new Error('shim namespace cannot be empty')
  const kernel = openNativeKernel()
  switch (flags.action) {
    case 'start':
      return await (await import('./start.ts')).startShim(kernel, flags, env)
    case 'delete':
      return await (await import('./delete.ts')).deleteShim(kernel, flags)
    default:
      await (await import('./serve.ts')).serveShim(kernel, flags, env)
      return undefined
  }
}

function versionText(): string {
  return `${basename(process.argv0)}:\n  Version:  ${SHIM_VERSION}\n  Revision: \n  Runtime version: ${process.version}\n\n`
}

function write(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}

const USAGE = `  -address string
    \tgrpc address back to main containerd
  -bundle string
    \tpath to the bundle if not workdir
  -debug
    \tenable debug output in logs
  -debug-socket string
    \tdebug socket path to serve
  -id string
    \tid of the task
  -info
    \tget the option protobuf from stdin, print the shim info protobuf to stdout, and exit
  -namespace string
    \tnamespace that owns the shim
  -publish-binary string
    \tpath to the publish binary; events go to the address in TTRPC_ADDRESS
  -socket string
    \tsocket path to serve
  -v
  -version
    \tshow the shim version and exit
`
