// A container's runtime options in its bundle, as JSON.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Options } from '../wire/shim-v2/messages.ts'

/** Where containerd's own shim lets runtimes keep their state. */
export const RUNTIME_ROOT = '/run/containerd/runc'

const FILE = 'options.json'

/** In the bundle, for whoever looks there, under the names that containerd's own shim writes. The program's name has had a file of its own for longer. */
export function writeRuntimeOptions(bundle: string, options: Options): void {
  const json = Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => Boolean(value))
      .map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]),
  )
  writeFileSync(join(bundle, FILE), JSON.stringify(json), { mode: 0o600 })
  writeFileSync(join(bundle, 'runtime'), options.binaryName, { mode: 0o600 })
}
