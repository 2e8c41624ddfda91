// The original ctr of containerd 2.x, which Debian does not have: built from the Go module proxy once, kept below build/.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { must } from './command.ts'
import { ROOT } from './root.ts'

const MODULE = 'github.com/containerd/containerd/v2'
const BUILD_MS = 900_000

/** The oldest 2.x that is still maintained, and the newest. */
export type CtrVersion = 'v2.2.9' | 'v2.4.2'

/** Absolute path of the program. */
export async function ctrTwo(version: CtrVersion = 'v2.4.2'): Promise<string> {
  const home = join(ROOT, 'build/ctr')
  const program = join(home, `ctr-${version}`)
  if (existsSync(program)) return program
  await mkdir(home, { recursive: true })
  const scratch = await mkdtemp(join(home, 'build-'))
  try {
    const flags = `-s -w -X ${MODULE}/version.Version=${version}`
    await must(['go', 'install', '-ldflags', flags, `${MODULE}/cmd/ctr@${version}`], {
      cwd: scratch,
      env: { GOFLAGS: '-mod=mod', GO111MODULE: 'on', CGO_ENABLED: '0', GOBIN: scratch },
      timeoutMs: BUILD_MS,
    })
    await rename(join(scratch, 'ctr'), program) // whole or not at all: another test may be looking
    return program
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
