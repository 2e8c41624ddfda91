// From a runtime's name to its program: io.containerd.runc.v2 is containerd-shim-runc-v2.
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import { Failure } from '../../base/failure.ts'

/** @param beside a program in whose directory shims are looked for after PATH. Throws `unknown` in containerd's words. */
export function resolveShim(runtime: string, beside: string): string {
  if (runtime === '') throw unresolved('no runtime name')
  if (isAbsolute(runtime)) {
    if (existsSync(runtime)) return runtime
    throw unresolved(`invalid custom binary path: stat ${runtime}: no such file or directory`)
  }
  const name = programOf(runtime)
  if (name === undefined)
    throw unresolved(
      `invalid runtime name ${runtime}, correct runtime name should be either format like \`io.containerd.runc.v2\` or a full path to the binary`,
    )
  const folders = [...(process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute), dirname(beside)]
  const found = folders.map((folder) => join(folder, name)).find(isExecutable)
  if (found !== undefined) return found
  throw unresolved(
    `runtime ${JSON.stringify(runtime)} binary not installed ${JSON.stringify(name)}: file does not exist`,
  )
}

/** The last two of at least two parts; undefined where the name has not that form. */
function programOf(runtime: string): string | undefined {
  const parts = runtime.split('.')
  if (runtime.includes('/') || parts.length < 2 || parts[0] === '') return undefined
  return `containerd-shim-${parts.at(-2)}-${parts.at(-1)}`
}

function unresolved(reason: string): Failure {
  return new Failure('unknown', `failed to start shim: failed to resolve runtime path: ${reason}`)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
