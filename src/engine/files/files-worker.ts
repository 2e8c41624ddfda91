// The thread that sees a container's files, one job in its life. Everything that it needs is imported before it leaves the host's mount table.
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync } from 'node:fs'
import { posix } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { Failure, isFailure, messageOf } from '../../base/failure.ts'
import { errnoText, hasErrno, KernelError } from '../../linux/kernel-error.ts'
import { openNativeKernel } from '../../linux/native-kernel.ts'
import { ownersOf } from '../userns/id-map.ts'
import { archiveTree } from '../../trees/archive-tree.ts'
import { TreeExtractor } from '../../trees/extract-tree.ts'
import type { OwnerMap } from '../../trees/owner-map.ts'
import { listChanges } from '../../trees/list-changes.ts'
import { NeedsMount } from '../../trees/overlay-marks.ts'
import { TarParser } from '../../wire/tar/tar-parser.ts'
import { resolveUser } from '../container/spec/resolve-user.ts'
import {
  CHUNKS_IN_FLIGHT,
  type ExtractRules,
  type FilesJob,
  type FilesMessage,
  type FilesRequest,
} from './files-job.ts'
import { openComparedTrees, openView } from './open-view.ts'
import { baseName, statPath } from './stat-path.ts'

const kernel = openNativeKernel()
const CHUNK_SIZE = 512 * 1024

/** Of a container whose ids are not the host's. */
let owners: OwnerMap | undefined

/** Acknowledgements come as messages; each lets one more chunk go. */
let allowance = CHUNKS_IN_FLIGHT
let wake: () => void = () => {}
const arrived: (Uint8Array<ArrayBuffer> | undefined)[] = []
let wakeReader: () => void = () => {}

function answer(message: FilesMessage, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer)
}

async function work(request: FilesRequest): Promise<void> {
  switch (request.kind) {
    case 'open':
      openView(kernel, request.view)
      owners = request.view.ids && ownersOf(request.view.ids)
      answer({ kind: 'opened' })
      return
    case 'compare':
      openComparedTrees(kernel, request.layers)
      answer({ kind: 'opened' })
      answer({
        kind: 'changes',
        changes: listChanges({ lower: '/lower', upper: '/upper', overlayPrefix: request.layers.overlayPrefix }),
      })
      return
    case 'job':
      await run(request.job)
      answer({ kind: 'done' })
      return
    case 'written':
      allowance++
      wake()
      return
    default:
      arrived.push(request.kind === 'chunk' ? request.bytes : undefined)
      wakeReader()
  }
}

async function run(job: FilesJob): Promise<void> {
  switch (job.kind) {
    case 'stat':
      answer({ kind: 'stat', stat: statPath(job.path.startsWith('/') ? job.path : `/${job.path}`) })
      return
    case 'archive':
      await archive(absolutePath(job.path))
      return
    case 'export':
      await send(archiveTree({ path: '/', name: '', hasRoot: false, owners }))
      return
    case 'extract':
      await extract(job.path, job.rules)
  }
}

/** Clean, but for what says that a directory is meant. */
function absolutePath(path: string): string {
  const clean = posix.join('/', path).replace(/(?<=.)\/$/, '')
  if (/(?:^|\/)\.$/.test(path)) return clean === '/' ? '/.' : `${clean}/.`
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean
}

async function archive(path: string): Promise<void> {
  const stat = statPath(path)
  answer({ kind: 'stat', stat })
  const base = baseName(path)
  const bytes = Buffer.from(path).toString('latin1')
  await send(
    archiveTree({ path: bytes, name: base === '/' ? '' : Buffer.from(base).toString('latin1'), hasRoot: true, owners }),
  )
}

/** Small pieces together, large ones as they are; not more of them on their way than the other side has said. */
async function send(pieces: Iterable<Buffer>): Promise<void> {
  let held: Buffer[] = []
  let size = 0
  for (const piece of pieces) {
    held.push(piece)
    size += piece.length
    if (size < CHUNK_SIZE) continue
    await sendChunk(held, size)
    held = []
    size = 0
  }
  if (size > 0) await sendChunk(held, size)
}

async function sendChunk(pieces: readonly Buffer[], size: number): Promise<void> {
  while (allowance === 0) await new Promise<void>((resolve) => (wake = resolve))
  allowance--
  const [only] = pieces
  const isWhole = pieces.length === 1 && only !== undefined && only.byteLength === only.buffer.byteLength
  const bytes = isWhole ? only : Buffer.allocUnsafeSlow(size)
  if (!isWhole) for (let at = 0, i = 0; i < pieces.length; i++) at += pieces[i]!.copy(bytes, at)
  answer({ kind: 'chunk', bytes }, [bytes.buffer as ArrayBuffer])
}

async function extract(path: string, rules: ExtractRules): Promise<void> {
  const directory = realpathSync(posix.join('/', path))
  if (!lstatSync(directory).isDirectory()) throw new Failure('invalid-argument', 'extraction point is not a directory')
  requireWritable(directory, rules)
  const extractor = new TreeExtractor({
    directory: Buffer.from(directory).toString('latin1'),
    owner: rules.user === undefined ? 'archived' : userIn(rules.user),
    keepsKinds: rules.keepsKinds,
    followsLinks: true,
    owners,
  })
  const parser = new TarParser(extractor)
  try {
    for (;;) {
      const bytes = await nextChunk()
      if (bytes === undefined) break
      if (!parser.ended) parser.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
      answer({ kind: 'taken', bytes }, [bytes.buffer])
    }
    parser.finish()
    extractor.finish()
  } finally {
    extractor.abandon()
  }
}

function requireWritable(directory: string, { mounts, isReadOnly }: ExtractRules): void {
  const holder = mounts
    .filter(({ target }) => directory === target || directory.startsWith(`${target}/`))
    .sort((a, b) => b.target.length - a.target.length)[0]
  if (holder?.isReadOnly) throw new Failure('invalid-argument', 'mounted volume is marked read-only')
  if (holder === undefined && isReadOnly) throw new Failure('invalid-argument', 'container rootfs is marked read-only')
}

function userIn(user: string): { uid: number; gid: number } {
  const { uid, gid } = resolveUser(user, readUserFile('/etc/passwd'), readUserFile('/etc/group'))
  return { uid, gid }
}

/** A container that runs can exchange it for a pipe at any moment, which must not make us wait. */
function readUserFile(path: string): string {
  let file: number
  try {
    file = openSync(realpathSync(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EACCES')) return ''
    throw error
  }
  try {
    const stats = fstatSync(file)
    if (!stats.isFile() || stats.size > USER_FILE_BYTES_MAX) return ''
    const bytes = Buffer.alloc(stats.size)
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, 0))
  } finally {
    closeSync(file)
  }
}

const USER_FILE_BYTES_MAX = 1 << 20

async function nextChunk(): Promise<Uint8Array<ArrayBuffer> | undefined> {
  while (arrived.length === 0) await new Promise<void>((resolve) => (wakeReader = resolve))
  return arrived.shift()
}

function failed(error: unknown): FilesMessage {
  if (error instanceof NeedsMount) return { kind: 'needs-mount' }
  const code = hasErrno(error, 'ENOENT') ? 'not-found' : 'unknown'
  if (error instanceof KernelError) return { kind: 'failed', code, message: error.message }
  if (isFailure(error)) return { kind: 'failed', code: error.code, message: error.message }
  const { errno, syscall = '', path = '' } = error as NodeJS.ErrnoException
  if (errno === undefined) return { kind: 'failed', code: 'internal', message: messageOf(error) }
  const subject = [GO_CALL[syscall] ?? syscall, String(path)].filter((part) => part !== '').join(' ')
  return { kind: 'failed', code, message: `${subject}: ${errnoText(Math.abs(errno))}` }
}

/** As Go's os package names what it was doing. */
const GO_CALL: Record<string, string> = { unlink: 'unlinkat', rmdir: 'unlinkat', rm: 'unlinkat', scandir: 'open' }

parentPort?.on('message', (request: FilesRequest) => {
  work(request).catch((error: unknown) => answer(failed(error)))
})
