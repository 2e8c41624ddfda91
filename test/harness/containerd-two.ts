// The original containerd 2.x with its shim, which Debian does not have: built from the Go module proxy once, kept below build/, beside its ctr.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { go } from '../conformance/go-module.ts'
import { run } from './command.ts'
import { ROOT } from './root.ts'

const MODULE = 'github.com/containerd/containerd/v2'
const VERSION = 'v2.4.2'
/** The least Go that the module says it needs. */
const GO_MINOR = 26
/** What of it nobody compares ours with. */
const TAGS = 'no_btrfs no_cri no_devmapper no_zfs no_tracing'

/** For a test's `skip`: false where it is built or can be. */
export async function skipWithoutContainerdTwo(): Promise<string | false> {
  if (existsSync(programPath())) return false
  const { stdout } = await run(['go', 'env', 'GOVERSION']).catch(() => ({ stdout: '' }))
  const minor = Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0)
  return minor >= GO_MINOR ? false : `containerd ${VERSION} needs Go 1.${GO_MINOR}`
}

/** Absolute path of the program; its shim is beside it. */
export async function containerdTwo(): Promise<string> {
  const program = programPath()
  if (existsSync(program)) return program
  const home = join(ROOT, 'build/ctr')
  await mkdir(home, { recursive: true })
  const scratch = await mkdtemp(join(home, 'build-'))
  try {
    const flags = `-s -w -X ${MODULE}/version.Version=${VERSION}`
    const packages = ['containerd', 'containerd-shim-runc-v2'].map((name) => `${MODULE}/cmd/${name}@${VERSION}`)
    await go(scratch, ['install', '-tags', TAGS, '-ldflags', flags, ...packages], { CGO_ENABLED: '0', GOBIN: scratch })
    await rename(scratch, dirname(program)) // whole or not at all: another test may be looking
    return program
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function programPath(): string {
  return join(ROOT, `build/ctr/containerd-${VERSION}/containerd`)
}
