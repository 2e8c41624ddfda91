// Programs that Debian does not have and that build from the Go module proxy as they are; kept below build/.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { must, run } from './command.ts'
import { ROOT } from './root.ts'

const BUILD_MS = 900_000

interface Program {
  /** Of the command; for `module`: below it. */
  source: string
  version: string
  goMinor: number
  /** Where the module's own name is another than the one that it is to be had by, or it replaces others: it is built from its unpacked source. */
  module?: string
  tags?: string
}

const PROGRAMS = {
  crane: { source: 'github.com/google/go-containerregistry/cmd/crane', version: 'v0.22.1', goMinor: 25 },
  cosign: { source: 'github.com/sigstore/cosign/v2/cmd/cosign', version: 'v2.6.1', goMinor: 24 },
  zot: {
    ...{ module: 'github.com/project-zot/zot', source: './cmd/zot', version: 'v1.4.3', goMinor: 19 },
    tags: 'containers_image_openpgp',
  },
  versitygw: { source: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0', goMinor: 26 },
  oras: { source: 'oras.land/oras/cmd/oras', version: 'v1.3.6', goMinor: 25 },
} as const satisfies Readonly<Record<string, Program>>

export type GoProgram = keyof typeof PROGRAMS

/** For a test's `skip`: false where it is built or can be. */
export async function skipWithoutGo(name: GoProgram): Promise<string | false> {
  const { goMinor, version } = PROGRAMS[name]
  if (existsSync(programPath(name))) return false
  const { stdout } = await run(['go', 'env', 'GOVERSION']).catch(() => ({ stdout: '' }))
  const minor = Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0)
  return minor >= goMinor ? false : `${name} ${version} needs Go 1.${goMinor}`
}

/** The same for one whose build may fail: it is there already, or is left out. */
export function skipUnlessBuilt(name: GoProgram): string | false {
  return existsSync(programPath(name)) ? false : `${name} ${PROGRAMS[name].version} could not be built`
}

/** Absolute path of the program, which is built first where it is not there. */
export async function goProgram(name: GoProgram): Promise<string> {
  const program = programPath(name)
  if (existsSync(program)) return program
  const { source, version, module, tags }: Program = PROGRAMS[name]
  const home = join(ROOT, 'build/go')
  await mkdir(home, { recursive: true })
  const scratch = await mkdtemp(join(home, 'build-'))
  try {
    const env = { GOFLAGS: '-mod=mod', GO111MODULE: 'on', CGO_ENABLED: '0', GOBIN: scratch }
    const words = ['go', 'install', '-ldflags', '-s -w', ...(tags === undefined ? [] : ['-tags', tags])]
    if (module === undefined) await must([...words, `${source}@${version}`], { cwd: scratch, env, timeoutMs: BUILD_MS })
    else await must([...words, source], { cwd: await unpack(module, version, scratch), env, timeoutMs: BUILD_MS })
    await rename(join(scratch, basename(source)), program) // whole or not at all: another test may be looking
    return program
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** A copy: the module cache may not be written to. */
async function unpack(module: string, version: string, scratch: string): Promise<string> {
  const text = await must(['go', 'mod', 'download', '-json', `${module}@${version}`], {
    cwd: scratch,
    env: { GO111MODULE: 'on' },
    timeoutMs: BUILD_MS,
  })
  const { Dir } = JSON.parse(text) as { Dir: string }
  const source = join(scratch, 'source')
  await must(['cp', '-r', '--no-preserve=mode', Dir, source])
  return source
}

function programPath(name: GoProgram): string {
  return join(ROOT, `build/go/${name}-${PROGRAMS[name].version}`)
}
