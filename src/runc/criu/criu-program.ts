// The criu that is installed: where it is, which version, what it can do.
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Failure, withSubject } from '../../base/failure.ts'
import { type CriuFeatures, REQUEST } from './messages.ts'
import { CriuSession } from './session.ts'

export interface Criu {
  /** Path. */
  program: string
  /** 3.17.1 is 31701. */
  version: number
}

/** The RPC for the version is as old as this. */
const LEAST_VERSION = 30000

/** @param name a path, or a name to look for as a shell does. Throws Failure in runc's words. */
export async function openCriu(name: string): Promise<Criu> {
  try {
    const program = findProgram(name)
    const criu = { program, version: await askVersion(program) }
    requireVersion(criu, LEAST_VERSION)
    return criu
  } catch (error) {
    throw withSubject('CRIU version check failed', error)
  }
}

/** Throws Failure('failed-precondition') in runc's words. */
export function requireVersion({ version }: Criu, least: number): void {
  if (version < least) throw new Failure('failed-precondition', `CRIU version ${version} must be ${least} or higher`)
}

const EXTERNAL_SINCE = { net: 31100, pid: 31500 } as const

/** Throws Failure('failed-precondition') in runc's words. */
export function requireExternalNamespace(criu: Criu, kind: 'net' | 'pid', when: string): void {
  try {
    requireVersion(criu, EXTERNAL_SINCE[kind])
  } catch (error) {
    const words = `criu lacks support for external ${kind} namespace ${when} (old criu version?)`
    throw new Failure('failed-precondition', words, { cause: error })
  }
}

/** Throws Failure where criu says that it, or the kernel, lacks one. An older criu says nothing about what it does not know of. */
export async function requireFeatures({ program }: Criu, wanted: CriuFeatures): Promise<void> {
  using session = CriuSession.start(program, { usesOurStreams: false })
  const { features } = await session
    .ask({ type: REQUEST.featureCheck, features: wanted })
    .catch((error: unknown) => Promise.reject(withSubject('CRIU feature check failed', error)))
  const missing = [
    ...(wanted.memoryTracking === true && features?.memoryTracking === false ? ['MemTrack'] : []),
    ...(wanted.lazyPages === true && features?.lazyPages === false ? ['LazyPages'] : []),
  ]
  if (missing.length > 0) throw new Failure('failed-precondition', `criu is missing features: [${missing.join(' ')}]`)
}

async function askVersion(program: string): Promise<number> {
  using session = CriuSession.start(program, { usesOurStreams: false })
  const { version } = await session.ask({ type: REQUEST.version })
  const released = (version?.major ?? 0) * 10000 + (version?.minor ?? 0) * 100 + (version?.sublevel ?? 0)
  // Built from a repository: already on the way to the next minor version.
  return version?.gitId ? released - (released % 100) + 100 : released
}

function findProgram(name: string): string {
  if (name.includes('/')) {
    if (!isExecutable(name)) throw new Failure('not-found', `fork/exec ${name}: no such file or directory`)
    return name
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'))
  const found = folders.map((folder) => join(folder, name)).find(isExecutable)
  if (found === undefined)
    throw new Failure('not-found', `exec: ${JSON.stringify(name)}: executable file not found in $PATH`)
  return found
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false // whatever the reason, it cannot be run
  }
}
