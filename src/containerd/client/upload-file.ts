// The bytes of an upload, written where the content store of this host keeps them: by gRPC each byte goes through two processes and a socket. The store is
// told how far they are and reads them there; it believes nothing that it has not hashed itself (docs/decisions/uploads-in-place.md).
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import { errnoText } from '../../linux/kernel-error.ts'
import type { ContainerdClient } from './client.ts'
import { ingestDirectoryIn } from './content-layout.ts'

/** A call of Write that carries it may send, in place of data, the offset up to which it has appended to the upload's file. */
export const IN_PLACE_HEADER = 'berth-content-in-place'

/** Owns its descriptor. */
export interface UploadFile {
  /** Resolves when they are in the file, in this order, behind what was there. Throws `resource-exhausted` where the disk is full. */
  append(pieces: readonly Uint8Array[]): Promise<void>
  close(): Promise<void>
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW

/** By path: of a writer that was told to stop, the last bytes may be on their way. */
const appending = new Map<string, Promise<void>>()

/**
 * For whoever holds the ref's lock. `offset`: how much of it the store knows; what is behind that in the file is nobody's and goes. Undefined where the
 * store is no directory that can be seen from here: then the bytes are sent.
 */
export async function openUploadFile(
  client: ContainerdClient,
  ref: string,
  offset: number,
): Promise<UploadFile | undefined> {
  const directory = await client.contentDirectory()
  if (directory === undefined) return undefined
  const path = join(ingestDirectoryIn(directory, client.namespace, ref), 'data')
  const file = await open(path, APPEND).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    await appending.get(path)?.catch(() => {})
    if ((await file.stat()).size > offset) await file.truncate(offset)
  } catch (error) {
    await file.close()
    throw error
  }
  return {
    append: async (pieces) => {
      const work = appendAll(file, pieces, ref)
      appending.set(path, work)
      try {
        await work
      } finally {
        if (appending.get(path) === work) appending.delete(path)
      }
    },
    close: () => file.close(),
  }
}

async function appendAll(file: FileHandle, pieces: readonly Uint8Array[], ref: string): Promise<void> {
  let left = pieces
  try {
    while (left.length > 0) left = behind(left, (await file.writev(left)).bytesWritten)
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException
    if (typeof errno !== 'number') throw error
    throw new Failure('resource-exhausted', `write ${ref}: ${errnoText(Math.abs(errno))}`, { cause: error })
  }
}

function behind(pieces: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let at = written
  for (const [index, piece] of pieces.entries()) {
    if (at < piece.length) return [piece.subarray(at), ...pieces.slice(index + 1)]
    at -= piece.length
  }
  return []
}
