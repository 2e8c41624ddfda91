// Programs that Debian does not have and that build from the Go module proxy as they are; kept below build/.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { must, run } from './command.ts'
import { ROOT } from './root.ts'

const BUILD_MS = 900_000

const PROGRAMS = {
  crane: { source: 'github.com/google/go-containerregistry/cmd/crane', version: 'v0.22.1', goMinor: 25 },
  cosign: { source: 'github.com/sigstore/cosign/v2/cmd/cosign', version: 'v2.6.1', goMinor: 24 },
  oras: { source: 'oras.land/oras/cmd/oras', version: 'v1.3.6', goMinor: 25 },
} as const

export type GoProgram = keyof typeof PROGRAMS

/** For a test's `skip`: false where it is built or can be. */
export async function skipWithoutGo(name: GoProgram): Promise<string | false> {
  const { goMinor, version } = PROGRAMS[name]
  if (existsSync(programPath(name))) return false
  const { stdout } = await run(['go', 'env', 'GOVERSION']).catch(() => ({ stdout: '' }))
  const minor = Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0)
  return minor >= goMinor ? false : `${name} ${version} needs Go 1.${goMinor}`
}

/** Absolute path of the program, which is built first where it is not there. */
export async function goProgram(name: GoProgram): Promise<string> {
  const program = programPath(name)
  if (existsSync(program)) return program
  const { source, version } = PROGRAMS[name]
  const home = join(ROOT, 'build/go')
  await mkdir(home, { recursive: true })
  const scratch = await mkdtemp(join(home, 'build-'))
  try {
    await must(['go', 'install', '-ldflags', '-s -w', `${source}@${version}`], {
      cwd: scratch,
      env: { GOFLAGS: '-mod=mod', GO111MODULE: 'on', CGO_ENABLED: '0', GOBIN: scratch },
      timeoutMs: BUILD_MS,
    })
    await rename(join(scratch, basename(source)), program) // whole or not at all: another test may be looking
    return program
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

function programPath(name: GoProgram): string {
  return join(ROOT, `build/go/${name}-${PROGRAMS[name].version}`)
}
