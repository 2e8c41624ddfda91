// The validation programs of opencontainers/runtime-tools, from the Go module proxy. The module is older than go.mod files:
// ours beside this file pins what it needs.
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { must, run } from '../harness/command.ts'
import { ROOT } from '../harness/root.ts'
import { fetchModule, go } from './go-module.ts'
import { type Outcome, parseTap, type Runtime, type Suite } from './suite.ts'

const MODULE = 'github.com/opencontainers/runtime-tools'
const VERSION = 'v0.9.0'
const HOME = join(ROOT, 'build/conformance/runtime-tools')
const PROGRAM_MS = 90_000

export const runtimeTools: Suite = { name: 'runtime-tools', version: VERSION, prepare, programs, run: runProgram }

async function prepare(): Promise<void> {
  if (existsSync(join(HOME, 'done'))) return
  await fetchModule(MODULE, VERSION, HOME)
  for (const [from, to] of [
    ['runtime-tools.mod', 'go.mod'],
    ['runtime-tools.sum', 'go.sum'],
  ] as const)
    await cp(join(ROOT, 'test/conformance', from), join(HOME, to))
  await go(HOME, ['build', '-o', 'runtimetest', './cmd/runtimetest'], { CGO_ENABLED: '0' })
  const sources = (await readdir(join(HOME, 'validation'))).filter((name) => /^[a-z]/.test(name) && name !== 'util')
  await mkdir(join(HOME, 'bin'), { recursive: true })
  await go(HOME, ['build', '-o', 'bin/', ...sources.map((name) => `./validation/${name}`)], { CGO_ENABLED: '0' })
  await cp(join(HOME, 'VERSION'), join(HOME, 'done'))
}

async function programs(): Promise<string[]> {
  return (await readdir(join(HOME, 'bin'))).sort()
}

/** They look for runtimetest and the root file system where they stand, and leave their bundles in TMPDIR. */
async function runProgram(program: string, runtime: Runtime): Promise<Outcome> {
  const scratch = await mkdtemp(join(ROOT, 'build/conformance/', `run-${basename(program)}-`))
  try {
    const argv = ['timeout', '-k', '5', '75', join(HOME, 'bin', program)]
    const { code, stdout } = await run(argv, {
      cwd: HOME,
      env: { RUNTIME: runtime.path, TMPDIR: scratch },
      timeoutMs: PROGRAM_MS,
    })
    return parseTap(stdout, code)
  } finally {
    await removeContainers(runtime, scratch)
    await unmountBelow(scratch)
    await rm(scratch, { recursive: true, force: true })
  }
}

/** What a program without a mount namespace has mounted would be walked into. */
async function unmountBelow(directory: string): Promise<void> {
  const points = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '')
  for (const point of points.filter((path) => path.startsWith(`${directory}/`)).reverse()) await must(['umount', point])
}

/** A program that fails leaves its container; those are ours whose bundle is in our directory. */
async function removeContainers(runtime: Runtime, scratch: string): Promise<void> {
  const { stdout } = await run([runtime.path, 'list', '--format', 'json'])
  let list: unknown = null
  try {
    list = JSON.parse(stdout)
  } catch {
    return // some print nothing where there is nothing
  }
  for (const entry of Array.isArray(list) ? list : []) {
    const { id, bundle } = typeof entry === 'object' && entry !== null ? entry : {}
    if (typeof id === 'string' && typeof bundle === 'string' && bundle.startsWith(scratch))
      await run([runtime.path, 'delete', '--force', id])
  }
}
