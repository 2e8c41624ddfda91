// A process may ask for a signal when its parent ends (prctl(2), PR_SET_PDEATHSIG). criu saves that; but the parent of a restored container's
// first process is the runtime, which ends at once. The number is one byte of an image file, and becomes zero.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { hasErrno } from '../../linux/kernel-error.ts'
import { WIRE } from '../../wire/protobuf/bytes.ts'

const COMMON_MAGIC = 0x54564319
const CORE_MAGIC = 0x55053847
/** Two magic numbers and the size of the message. */
const HEADER_SIZE = 12
/** `thread_core` of core_entry and `pdeath_sig` of thread_core_entry, in criu's images/core.proto. */
const THREAD_CORE = 5
const PARENT_DEATH_SIGNAL = 8

/** @param pid of the process in its own PID namespace, after which criu names the file. Nothing where there is no such request. */
export function clearParentDeath(imagesDirectory: string, pid: number): void {
  const path = join(imagesDirectory, `core-${pid}.img`)
  let image: Buffer
  try {
    image = readFileSync(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return // a criu that names its files otherwise
    throw error
  }
  const at = findParentDeath(image)
  if (at === undefined) return
  const file = openSync(path, 'r+')
  try {
    writeSync(file, Buffer.from([0]), 0, 1, at)
  } finally {
    closeSync(file)
  }
}

/** Where the signal's number is; undefined where there is none, or the file is not what we know. */
export function findParentDeath(image: Buffer): number | undefined {
  if (image.length < HEADER_SIZE || image.readUInt32LE(0) !== COMMON_MAGIC || image.readUInt32LE(4) !== CORE_MAGIC)
    return undefined
  const end = HEADER_SIZE + image.readUInt32LE(8)
  const thread = findField(image, { start: HEADER_SIZE, end }, THREAD_CORE)
  return thread === undefined ? undefined : findField(image, thread, PARENT_DEATH_SIGNAL)?.start
}

interface Span {
  start: number
  end: number
}

/** The value of a field, without its tag and length. */
function findField(image: Buffer, within: Span, wanted: number): Span | undefined {
  for (let at = within.start; at < Math.min(within.end, image.length); ) {
    const tag = readVarint(image, at)
    const value = spanOf(image, tag.value & 7, tag.end)
    if (value === undefined || value.end > within.end) return undefined
    if (tag.value >>> 3 === wanted) return value
    at = value.end
  }
  return undefined
}

function spanOf(image: Buffer, wire: number, at: number): Span | undefined {
  switch (wire) {
    case WIRE.varint:
      return { start: at, end: readVarint(image, at).end }
    case WIRE.fixed64:
      return { start: at, end: at + 8 }
    case WIRE.fixed32:
      return { start: at, end: at + 4 }
    case WIRE.bytes: {
      const size = readVarint(image, at)
      return { start: size.end, end: size.end + size.value }
    }
    default:
      return undefined
  }
}

/** Right up to 32 bits, which tags and lengths are. */
function readVarint(image: Buffer, at: number): { value: number; end: number } {
  let value = 0
  for (let shift = 0, end = at; ; shift += 7, end++) {
    const byte = image[end] ?? 0
    if (shift < 32) value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return { value, end: end + 1 }
  }
}
