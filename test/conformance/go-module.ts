// Sources of Go modules, from the proxy into a directory that may be written to.
import { chmod, cp, mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { must } from '../harness/command.ts'

const BUILD_MS = 600_000

export async function fetchModule(name: string, version: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true })
  const text = await must(['go', 'mod', 'download', '-json', `${name}@${version}`], {
    cwd: dirname(target),
    env: { GOFLAGS: '-mod=mod', GO111MODULE: 'on' },
    timeoutMs: BUILD_MS,
  })
  const told: unknown = JSON.parse(text)
  if (typeof told !== 'object' || told === null || !('Dir' in told) || typeof told.Dir !== 'string')
    throw new Error(`go mod download ${name}@${version}: ${text}`)
  await rm(target, { recursive: true, force: true })
  await cp(told.Dir, target, { recursive: true })
  await makeWritable(target)
}

export async function go(cwd: string, argv: readonly string[], env: Record<string, string> = {}): Promise<void> {
  await must(['go', ...argv], { cwd, env: { GOFLAGS: '-mod=mod -buildvcs=false', ...env }, timeoutMs: BUILD_MS })
}

/** The module cache is read-only, and so are copies of it. */
async function makeWritable(directory: string): Promise<void> {
  await chmod(directory, 0o755)
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await makeWritable(path)
    else if (entry.isFile()) await chmod(path, /\.(?:sh|bats)$/.test(entry.name) ? 0o755 : 0o644)
  }
}
