// nerdctl, which Debian does not have: built from the Go module proxy once, kept below build/.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fetchModule, go } from '../conformance/go-module.ts'
import { run } from './command.ts'
import { ROOT } from './root.ts'

const MODULE = 'github.com/containerd/nerdctl/v2'
const VERSION = 'v2.2.1'
/** The least Go that the module says it needs. */
const GO_MINOR = 24
/** A module of the same repository that only its tests need, and that the proxy does not have. */
const TEST_MODULE = 'github.com/containerd/nerdctl/mod/tigron'

/** For a test's `skip`: false where it is built or can be. */
export async function skipWithoutNerdctl(): Promise<string | false> {
  if (existsSync(programPath())) return false
  const { stdout } = await run(['go', 'env', 'GOVERSION']).catch(() => ({ stdout: '' }))
  const minor = Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0)
  return minor >= GO_MINOR ? false : `nerdctl ${VERSION} needs Go 1.${GO_MINOR}`
}

/** Absolute path of the program. */
export async function nerdctl(): Promise<string> {
  const program = programPath()
  if (existsSync(program)) return program
  const home = join(ROOT, 'build/nerdctl')
  await mkdir(home, { recursive: true })
  const scratch = await mkdtemp(join(home, 'build-'))
  try {
    const sources = join(scratch, 'sources')
    await fetchModule(MODULE, VERSION, sources)
    // As the module stands it cannot be built outside its repository: files for its tests are part of the program's package.
    for (const name of ['testing.go', 'testing_linux.go', 'testing_test.go'])
      await rm(join(sources, 'cmd/nerdctl/helpers', name), { force: true })
    await go(sources, ['mod', 'edit', `-dropreplace=${TEST_MODULE}@v0.0.0`, `-droprequire=${TEST_MODULE}`])
    const flags = `-s -w -X ${MODULE}/pkg/version.Version=${VERSION}`
    const argv = ['build', '-ldflags', flags, '-o', join(scratch, 'nerdctl'), './cmd/nerdctl']
    await go(sources, argv, { CGO_ENABLED: '0' })
    await rename(join(scratch, 'nerdctl'), program) // whole or not at all: another test may be looking
    return program
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function programPath(): string {
  return join(ROOT, `build/nerdctl/nerdctl-${VERSION}`)
}
