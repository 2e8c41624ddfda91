// A bundle: the directory with config.json and, mostly, the root file system.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { Failure, messageOf } from '../base/failure.ts'
import { hasErrno } from '../linux/kernel-error.ts'
import type { MountSpec, RuntimeSpec } from '../oci/runtime-spec.ts'
import { parseRuntimeSpec } from '../runtime/parse-runtime-spec.ts'
import type { Options } from './parse-options.ts'

export interface Bundle {
  /** Absolute. */
  directory: string
  /** Absolute, without symbolic links: what it names can't change under a running container's restart. */
  rootfs: string
  spec: RuntimeSpec
}

/** Throws Failure in runc's words. */
export function loadBundle(options: Options, given?: string): Bundle {
  const directory = resolve(given ?? (options.text('bundle') || '.'))
  const name = options.text('config') || 'config.json'
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw new Failure('not-found', `chdir ${directory}: no such file or directory`)
  const spec = parseRuntimeSpec(readConfig(resolve(directory, name), name))
  if (spec.root === undefined) throw new Failure('invalid-argument', 'root filesystem is required')
  return { directory, rootfs: findRootfs(resolve(directory, spec.root.path)), spec: anchorSources(spec, directory) }
}

function readConfig(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw new Failure('not-found', `JSON specification file ${name} not found`)
    throw new Failure('invalid-argument', messageOf(error), { cause: error })
  }
}

function findRootfs(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw new Failure('not-found', `rootfs (${path}) does not exist`)
    throw new Failure('invalid-argument', `rootfs (${path}): ${messageOf(error)}`, { cause: error })
  }
}

/** Sources of bind mounts are relative to the bundle (config.md, "Mounts"). */
function anchorSources(spec: RuntimeSpec, directory: string): RuntimeSpec {
  if (spec.mounts === undefined) return spec
  return { ...spec, mounts: spec.mounts.map((mount) => anchorSource(mount, directory)) }
}

function anchorSource(mount: MountSpec, directory: string): MountSpec {
  const isBind = mount.type === 'bind' || mount.options?.some((option) => option === 'bind' || option === 'rbind')
  if (isBind !== true || mount.source === undefined || isAbsolute(mount.source)) return mount
  return { ...mount, source: resolve(directory, mount.source) }
}
