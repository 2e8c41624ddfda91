// The CDI devices of this machine: spec files in directories, read when a container asks for a device.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../base/failure.ts'
import { type CdiSpec, parseCdiSpec } from './parse-spec.ts'

export interface CdiDevice {
  spec: CdiSpec
  /** In the spec. */
  name: string
}

export interface CdiRegistry {
  /** By qualified name, `vendor.com/class=name`. */
  devices: ReadonlyMap<string, CdiDevice>
  /** Files that could not be used, and why. */
  errors: readonly { path: string; message: string }[]
}

interface Found extends CdiDevice {
  path: string
  priority: number
}

const SPEC_BYTES_MAX = 4 << 20

/** A device of a later directory hides one of an earlier; of two in one directory nobody can say which is meant, so that neither is there. */
export function loadRegistry(directories: readonly string[]): CdiRegistry {
  const devices = new Map<string, Found>()
  const errors: { path: string; message: string }[] = []
  const conflicts = new Set<string>()
  for (const [priority, directory] of directories.entries())
    for (const path of specFiles(directory)) {
      try {
        const spec = readSpec(path)
        for (const name of spec.devices.keys()) {
          const qualified = `${spec.kind}=${name}`
          const other = devices.get(qualified)
          if (other?.priority === priority) {
            conflicts.add(qualified)
            const message = `conflicting device ${JSON.stringify(qualified)} (specs ${JSON.stringify(path)}, ${JSON.stringify(other.path)})`
            errors.push({ path, message }, { path: other.path, message })
            continue
          }
          conflicts.delete(qualified)
          devices.set(qualified, { spec, name, path, priority })
        }
      } catch (error) {
        errors.push({ path, message: `failed to load CDI Spec ${messageOf(error)}` })
      }
    }
  for (const name of conflicts) devices.delete(name)
  return { devices, errors }
}

function specFiles(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && /\.(json|yaml)$/.test(entry.name))
      .map(({ name }) => join(directory, name))
      .sort()
  } catch {
    return [] // most machines have no such directory
  }
}

function readSpec(path: string): CdiSpec {
  if (statSync(path).size > SPEC_BYTES_MAX) throw new Error('the file is too large')
  return parseCdiSpec(readFileSync(path, 'utf8'))
}
