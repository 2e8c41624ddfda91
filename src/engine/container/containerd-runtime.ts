// A container's runtime as containerd's records name it: a shim, and for runc's shim the program that it runs.
import { create } from '@bufbuild/protobuf'
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFileSync } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'
import type { Container_Runtime } from '../../gen/services/containers_pb.ts'
import type { RuntimeSpec } from '../../oci/runtime-spec.ts'
import { message, text } from '../../wire/protobuf/message.ts'
import { Options } from '../../wire/shim-v2/messages.ts'
import type { Engine } from '../engine.ts'
import {
  isShimName,
  OWN_RUNTIMES,
  RUNC_SHIM,
  type RuntimeSetting,
  type ShimSetting,
} from '../settings/runtime-setting.ts'

type Runtime = Pick<Container_Runtime, 'name'> & Partial<Pick<Container_Runtime, 'options'>>
type Host = Pick<Engine, 'config' | 'peer'>

const RUNC_OPTIONS = 'containerd.runc.v1.Options'
/** What shims take that are not runc's, by a convention of containerd's CRI. */
const OTHER_OPTIONS = 'runtimeoptions.v1.Options'
const OtherOptions = message({ typeUrl: text(1), configPath: text(2) })

/** Throws Docker's words where the daemon has forgotten a runtime that the container was made for. */
export function containerdRuntime(engine: Host, name: string): Runtime {
  if (name === '' || OWN_RUNTIMES.some((own) => own === name)) return builtIn(engine, name)
  const setting = engine.config.runtimes[name]
  if (setting === undefined && isShimName(name)) return { name }
  if (setting === undefined) throw new Failure('invalid-argument', `unknown or invalid runtime name: ${name}`)
  if (setting.shim !== undefined) return ofShim(setting.shim)
  const binaryName = setting.args.length === 0 ? setting.path : writeWrapper(engine, name, setting)
  return { name: RUNC_SHIM, options: runcOptions({ binaryName, ...rootOf(engine, name), ...cgroupsOf(engine) }) }
}

function cgroupsOf({ config }: Host): { systemdCgroup?: true } {
  return config.cgroupDriver === 'systemd' ? { systemdCgroup: true } : {}
}

/**
 * Of another runtime than ours. The same document is a valid one of this version, and there are runtimes that take no later one, such as crun before 1.9.
 */
const COMPATIBLE_VERSION = '1.0.2'

/** The spec as the container's runtime takes it. */
export function specFor(engine: Host, name: string, spec: RuntimeSpec): RuntimeSpec {
  return isBuiltInRuntime(engine, name) ? spec : { ...spec, ociVersion: COMPATIBLE_VERSION }
}

/** Ours, which knows everything that a spec of ours may say. */
export function isBuiltInRuntime(engine: Pick<Host, 'peer'>, name: string): boolean {
  return engine.peer.isOwn && (name === '' || OWN_RUNTIMES.some((own) => own === name))
}

/** Of our own containerd it is the built-in runtime; another has its own runc. */
function builtIn(engine: Host, name: string): Runtime {
  const cgroups = cgroupsOf(engine)
  if (engine.peer.isOwn)
    return cgroups.systemdCgroup ? { name: RUNC_SHIM, options: runcOptions(cgroups) } : { name: RUNC_SHIM }
  const binaryName = name === 'berth-runc' ? name : ''
  return {
    name: RUNC_SHIM,
    options: runcOptions({ binaryName, ...rootOf(engine, name || OWN_RUNTIMES[0]), ...cgroups }),
  }
}

/** As with dockerd: a runtime's state is this engine's, not the host's. */
function rootOf(engine: Host, name: string): { root?: string } {
  return engine.peer.isOwn ? {} : { root: join(engine.config.execRoot, `runtime-${name}`) }
}

function ofShim({ type, options }: ShimSetting): Runtime {
  const entries = Object.entries(options).map(([key, value]) => [`${key[0]?.toLowerCase()}${key.slice(1)}`, value])
  if (entries.length === 0) return { name: type }
  const given = Object.fromEntries(entries)
  if (type === RUNC_SHIM) return { name: type, options: runcOptions(given) }
  return { name: type, options: create(AnySchema, { typeUrl: OTHER_OPTIONS, value: OtherOptions.encode(given) }) }
}

/** For a task that begins from the images in a directory. Throws Docker's words for a runtime that has no such thing. */
export function restoreOptions(engine: Host, name: string, criuImagePath: string): Any {
  const { name: shim, options } = containerdRuntime(engine, name)
  if (shim !== RUNC_SHIM) throw new Failure('invalid-argument', `checkpoint is not supported by runtime ${name}`)
  return runcOptions({ ...(options === undefined ? {} : Options.decode(options.value)), criuImagePath })
}

function runcOptions(options: Parameters<typeof Options.encode>[0]): Any {
  return create(AnySchema, { typeUrl: RUNC_OPTIONS, value: Options.encode(options) })
}

/** containerd takes a program without arguments: as dockerd does, we write one that adds them. */
function writeWrapper(engine: Host, name: string, { path, args }: RuntimeSetting): string {
  const directory = join(engine.config.execRoot, 'runtimes')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const program = join(directory, name)
  replaceFileSync(program, `#!/bin/sh\nexec ${[path, ...args].map(quote).join(' ')} "$@"\n`, 0o700)
  return program
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
