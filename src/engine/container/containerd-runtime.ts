// A container's runtime as containerd's records name it: always the same shim, told another program where the container wants one.
import { create, toBinary } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFileSync } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'
import { OptionsSchema } from '../../gen/runc/options_pb.ts'
import type { Container_Runtime } from '../../gen/services/containers_pb.ts'
import type { Engine } from '../engine.ts'
import { OWN_RUNTIMES, type RuntimeSetting } from '../settings/runtime-setting.ts'

type Runtime = Pick<Container_Runtime, 'name'> & Partial<Pick<Container_Runtime, 'options'>>

const NAME = 'io.containerd.runc.v2'

/** Throws Docker's words where the daemon has forgotten a runtime that the container was made for. */
export function containerdRuntime(engine: Engine, name: string): Runtime {
  if (name === '' || OWN_RUNTIMES.some((own) => own === name)) return { name: NAME }
  const setting = engine.config.runtimes[name]
  if (setting === undefined) throw new Failure('invalid-argument', `unknown or invalid runtime name: ${name}`)
  const binaryName = setting.args.length === 0 ? setting.path : writeWrapper(engine, name, setting)
  const value = toBinary(OptionsSchema, create(OptionsSchema, { binaryName }))
  return { name: NAME, options: create(AnySchema, { typeUrl: OptionsSchema.typeName, value }) }
}

/** containerd takes a program without arguments: as dockerd does, we write one that adds them. */
function writeWrapper(engine: Engine, name: string, { path, args }: RuntimeSetting): string {
  const directory = join(engine.config.execRoot, 'runtimes')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const program = join(directory, name)
  replaceFileSync(program, `#!/bin/sh\nexec ${[path, ...args].map(quote).join(' ')} "$@"\n`, 0o700)
  return program
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
