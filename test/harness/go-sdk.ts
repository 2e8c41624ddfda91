// The tests of test/sdk/go, which drive an engine through Docker's own Go SDK: compiled once for each state of their sources, kept below build/.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { go } from '../conformance/go-module.ts'
import { run } from './command.ts'
import { ROOT } from './root.ts'

const SOURCES = join(ROOT, 'test/sdk/go')
/** The least Go that its modules need (test/sdk/go/go.mod). */
const GO_MINOR = 26

/** For a test's `skip`: false where they are built or can be. */
export async function skipWithoutGoSdk(): Promise<string | false> {
  if (existsSync(programPath())) return false
  const { stdout } = await run(['go', 'env', 'GOVERSION']).catch(() => ({ stdout: '' }))
  const minor = Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0)
  return minor >= GO_MINOR ? false : `the modules of the Go SDK need Go 1.${GO_MINOR}`
}

/** Absolute path of the program (go help testflag). Modules come from the proxy, and are what go.sum says. */
export async function goSdkTests(): Promise<string> {
  const program = programPath()
  if (existsSync(program)) return program
  await mkdir(join(ROOT, 'build/sdk'), { recursive: true })
  const draft = `${program}.${process.pid}`
  await go(SOURCES, ['test', '-c', '-o', draft, '.'], { CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false' })
  await rename(draft, program) // whole or not at all: another test may be looking
  return program
}

function programPath(): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(SOURCES).sort()) hash.update(readFileSync(join(SOURCES, name)))
  return join(ROOT, `build/sdk/go-${hash.digest('hex').slice(0, 16)}`)
}
