// cp: HEAD, GET and PUT /containers/{id}/archive.
import { posix } from 'node:path'
import { Failure } from '../../base/failure.ts'
import { archiveTree } from '../../trees/archive-tree.ts'
import { byteString } from '../../wire/tar/entry.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { type CopyPlace, followedName, planCopy, splitArgument, splitEntry } from '../files/copy-paths.ts'
import { CopyProgress } from '../files/copy-progress.ts'
import { standardInput } from '../files/input.ts'
import { absolutePath, checkOutputPath, localSource, localTarget } from '../files/local-place.ts'
import { type Renaming, unpackInto } from '../files/unpack.ts'
import { isTerminal, writeBytes } from '../terminal/streams.ts'
import { containerPath } from './container-calls.ts'

interface Copy {
  container: string
  source: string
  target: string
  followsLink: boolean
  copiesIds: boolean
  isQuiet: boolean
}

export const cp: Command = {
  description: `Copy files/folders between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin
and extract it to a directory destination in a container.
Use '-' as the destination to stream a tar archive of a
container source to stdout.`,
  flags: [
    { name: 'archive', short: 'a', kind: 'boolean', usage: 'Archive mode (copy all uid/gid information)' },
    { name: 'follow-link', short: 'L', kind: 'boolean', usage: 'Always follow symbol link in SRC_PATH' },
    {
      ...{ name: 'quiet', short: 'q', kind: 'boolean' },
      usage:
        'Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached',
    },
  ],
  args: { min: 2, max: 2 },
  async run(shell, [from = '', to = ''], flags) {
    shell.interruption.listen()
    if (from === '') throw new ExitCode(1, 'source can not be empty')
    if (to === '') throw new ExitCode(1, 'destination can not be empty')
    const [source, target] = [splitArgument(from), splitArgument(to)]
    if (source.container !== '' && target.container !== '')
      throw new ExitCode(1, 'copying between containers is not supported')
    if (source.container === '' && target.container === '')
      throw new ExitCode(1, 'must specify at least one container source')
    const copy: Copy = {
      container: source.container || target.container,
      source: source.path,
      target: target.path,
      followsLink: flags.boolean('follow-link') ?? false,
      copiesIds: flags.boolean('archive') ?? false,
      isQuiet: flags.boolean('quiet') ?? !isTerminal(1),
    }
    await (source.container === '' ? copyTo(shell, copy) : copyFrom(shell, copy))
    return 0
  },
}

interface PathStat {
  mode: number
  linkTarget: string
}

async function copyFrom(shell: Shell, copy: Copy): Promise<void> {
  const isStream = copy.target === '-'
  const target = isStream ? '-' : absolutePath(copy.target)
  if (!isStream) checkOutputPath(target)
  const { path, rebaseName } = copy.followsLink
    ? await followInContainer(shell, copy)
    : { path: copy.source, rebaseName: '' }
  const { headers, body } = await shell.connection.answer({
    method: 'GET',
    path: `${containerPath(copy.container)}/archive`,
    query: { path },
  })
  const stat = readStat(headers)
  if (isStream) {
    for await (const bytes of body) await writeBytes(1, bytes)
    return
  }
  const progress = copy.isQuiet ? undefined : new CopyProgress('Copying from container - ')
  const source: CopyPlace = { path, exists: true, isDirectory: isDirectory(stat), rebaseName }
  try {
    await unpack(source, target, progress?.counted(body) ?? body)
  } finally {
    progress?.end(target)
  }
}

async function unpack(source: CopyPlace, target: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const there = localTarget(target)
  const { directory, name } = planCopy(source, there)
  const { base } = splitEntry(source.path)
  const renamings: Renaming[] = source.rebaseName === '' ? [] : [{ from: base, to: source.rebaseName }]
  const known = source.rebaseName || base
  if (name !== known) renamings.push({ from: known, to: name })
  await unpackInto(directory, renamings, body)
}

async function copyTo(shell: Shell, copy: Copy): Promise<void> {
  const place = await targetInContainer(shell, copy)
  const isStream = copy.source === '-'
  if (isStream && !place.isDirectory)
    throw new Failure('invalid-argument', `destination "${copy.container}:${copy.target}" must be a directory`)
  const { directory, content } = isStream ? { directory: place.path, content: standardInput() } : packLocal(copy, place)
  const progress = copy.isQuiet ? undefined : new CopyProgress('Copying to container - ')
  try {
    await shell.connection.send({
      method: 'PUT',
      path: `${containerPath(copy.container)}/archive`,
      query: { path: directory, noOverwriteDirNonDir: 'true', copyUIDGID: copy.copiesIds ? 'true' : undefined },
      headers: { 'Content-Type': 'application/x-tar' },
      upload: progress?.counted(content) ?? content,
    })
  } finally {
    progress?.end(`${copy.container}:${place.path}`)
  }
}

function packLocal(copy: Copy, place: CopyPlace): { directory: string; content: AsyncIterable<Uint8Array> } {
  const source = localSource(absolutePath(copy.source), copy.followsLink)
  const { directory, name } = planCopy(source, place)
  const request = { path: byteString(source.path), name: byteString(name === '/' ? '' : name), hasRoot: true }
  return { directory, content: inLargePieces(archiveTree(request)) }
}

const PIECE_BYTES = 256 * 1024

async function* inLargePieces(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let size = 0
  for (const piece of pieces) {
    held.push(piece)
    size += piece.length
    if (size < PIECE_BYTES) continue
    yield held.length === 1 ? piece : Buffer.concat(held, size)
    held = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(held, size)
}

/** A link there is followed once; where it leads need not be there. */
async function targetInContainer(shell: Shell, { container, target }: Copy): Promise<CopyPlace> {
  const place: CopyPlace = { path: target, exists: false, isDirectory: false, rebaseName: '' }
  let stat = await statInContainer(shell, container, target)
  if (stat !== undefined && isLink(stat)) {
    place.path = inSameDirectory(target, stat.linkTarget)
    stat = await statInContainer(shell, container, place.path)
  }
  if (stat === undefined) return place
  if (isDevice(stat))
    throw new Failure(
      'invalid-argument',
      `destination "${container}:${target}" must be a directory or a regular file: got a device`,
    )
  return { ...place, exists: true, isDirectory: isDirectory(stat) }
}

async function followInContainer(
  shell: Shell,
  { container, source }: Copy,
): Promise<{ path: string; rebaseName: string }> {
  const stat = await statInContainer(shell, container, source)
  if (stat === undefined || !isLink(stat)) return { path: source, rebaseName: '' }
  return followedName(source, inSameDirectory(source, stat.linkTarget))
}

function inSameDirectory(path: string, link: string): string {
  return link.startsWith('/') ? link : posix.join(splitEntry(path).directory, link)
}

/** Whatever goes wrong is told by the request that follows. */
async function statInContainer(shell: Shell, container: string, path: string): Promise<PathStat | undefined> {
  try {
    const query = { path }
    const { headers, body } = await shell.connection.answer({
      method: 'HEAD',
      path: `${containerPath(container)}/archive`,
      query,
    })
    for await (const _ of body);
    return readStat(headers)
  } catch {
    return undefined
  }
}

function readStat(headers: ReadonlyMap<string, string>): PathStat {
  const text = Buffer.from(headers.get('x-docker-container-path-stat') ?? '', 'base64').toString('utf8')
  try {
    const { mode, linkTarget } = JSON.parse(text) as Partial<PathStat>
    return { mode: mode ?? 0, linkTarget: linkTarget ?? '' }
  } catch {
    throw new Failure('internal', `unable to get resource stat from response: ${text}`)
  }
}

/** Bits of Go's os.FileMode. */
const isDirectory = ({ mode }: PathStat) => mode >= 0x8000_0000
const isLink = ({ mode }: PathStat) => (mode & 0x0800_0000) !== 0
const isDevice = ({ mode }: PathStat) => (mode & 0x0400_0000) !== 0
