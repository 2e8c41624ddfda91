// The OCI runtime that stands at runc's place in a test, and the runc that it is compared with.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { parseRuntimeSpec } from '../../src/runtime/parse-runtime-spec.ts'
import { must } from './command.ts'
import { makeBusyboxTree } from './images.ts'
import { BIN } from './root.ts'

/** RUNTIME names another: a test that also passes with runc itself tests nothing that runc does not do. */
export const RUNTIME = process.env['RUNTIME'] ?? join(BIN, 'berth-runc')

/** Undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** For a test's `skip`: false where all programs are here, else which one is not. */
export function skipWithout(...names: string[]): string | false {
  const missing = names.filter((name) => findProgram(name) === undefined)
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`
}

/** A bundle as `runc spec` writes it, with busybox in it and no terminal. */
export async function makeBundle(bundle: string, edit: (spec: RuntimeSpec) => void): Promise<RuntimeSpec> {
  await mkdir(bundle, { recursive: true })
  await makeBusyboxTree(join(bundle, 'rootfs'))
  await must([RUNTIME, 'spec', '--bundle', bundle])
  const config = join(bundle, 'config.json')
  const spec = parseRuntimeSpec(readFileSync(config, 'utf8'))
  if (spec.process !== undefined) spec.process.terminal = false
  edit(spec)
  await writeFile(config, JSON.stringify(spec))
  return spec
}

let calls = 0

/** Calls the runtime, none of whose streams the container can keep open; rejects with what its log says. */
export async function callRuntime(root: string, ...args: string[]): Promise<void> {
  const log = `${root}-log-${process.pid}-${++calls}`
  const child = spawn(RUNTIME, ['--root', root, '--log', log, ...args], { stdio: 'ignore' })
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('exit', resolve))
  const words = existsSync(log) ? readFileSync(log, 'utf8') : ''
  rmSync(log, { force: true })
  if (code !== 0) throw new Error(`${RUNTIME} ${args.join(' ')}: exit ${code}\n${words}`)
}
