// Tar archives as Go's archive/tar writes them: ustar, with a pax header in front where ustar has no room.
import { Failure } from '../../base/failure.ts'
import { BLOCK_SIZE, type ByteString, type TarEntry, type TarEntryType, type TarTime } from './entry.ts'
import { XATTR_PREFIX } from './parse-pax.ts'

export interface TarSource {
  entry: TarEntry
  /** Exactly `entry.size` bytes. */
  content?: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/** The whole archive, block by block, its end marker included. Throws Failure('invalid-argument') where a content is not as long as its entry says. */
export async function* writeTar(sources: Iterable<TarSource> | AsyncIterable<TarSource>): AsyncGenerator<Buffer> {
  for await (const { entry, content } of sources) {
    yield encodeTarHeader(entry)
    let written = 0
    for await (const part of content ?? []) {
      written += part.length
      if (written > entry.size) break
      yield Buffer.from(part.buffer, part.byteOffset, part.length)
    }
    if (written !== entry.size)
      throw new Failure('invalid-argument', `${entry.name}: content is not ${entry.size} bytes long`)
    if (written % BLOCK_SIZE !== 0) yield Buffer.alloc(BLOCK_SIZE - (written % BLOCK_SIZE))
  }
  yield Buffer.alloc(2 * BLOCK_SIZE)
}

/** The header block of an entry, with the pax header before it if one is needed. */
export function encodeTarHeader(entry: TarEntry): Buffer {
  const records = paxRecords(entry)
  const header = block(entry, TYPE_FLAGS[entry.type])
  if (records.length === 0) return header
  const body = Buffer.from(records.map(paxRecord).join(''), 'latin1')
  const slash = entry.name.replace(/\/$/, '').lastIndexOf('/') + 1
  const name = `${entry.name.slice(0, slash)}PaxHeaders.0/${entry.name.slice(slash)}`.slice(0, 100)
  const paxEntry = {
    ...entry,
    name,
    linkName: '',
    size: body.length,
    mode: 0,
    uid: 0,
    gid: 0,
    deviceMajor: 0,
    deviceMinor: 0,
    mtime: { seconds: 0, nanos: 0 },
  }
  return Buffer.concat([
    block(paxEntry, 'x'),
    body,
    Buffer.alloc((BLOCK_SIZE - (body.length % BLOCK_SIZE)) % BLOCK_SIZE),
    header,
  ])
}

const TYPE_FLAGS: Record<TarEntryType, string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
}

const OCTAL_11_MAX = 0o77777777777
const OCTAL_7_MAX = 0o7777777

function paxRecords(entry: TarEntry): [ByteString, ByteString][] {
  const records: [ByteString, ByteString][] = []
  const { seconds, nanos } = entry.mtime
  if (nanos !== 0 || seconds < 0 || seconds > OCTAL_11_MAX) records.push(['mtime', formatTime(entry.mtime)])
  if (entry.name.length > 100 || !isAscii(entry.name)) records.push(['path', entry.name])
  if (entry.linkName.length > 100 || !isAscii(entry.linkName)) records.push(['linkpath', entry.linkName])
  if (entry.size > OCTAL_11_MAX) records.push(['size', String(entry.size)])
  if (entry.uid > OCTAL_7_MAX) records.push(['uid', String(entry.uid)])
  if (entry.gid > OCTAL_7_MAX) records.push(['gid', String(entry.gid)])
  for (const [name, value] of entry.xattrs) records.push([XATTR_PREFIX + name, Buffer.from(value).toString('latin1')])
  return records.sort(([a], [b]) => (a < b ? -1 : 1))
}

function paxRecord([key, value]: [ByteString, ByteString]): ByteString {
  const rest = ` ${key}=${value}\n`
  let length = rest.length + 1
  // The length counts its own digits.
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return `${length}${rest}`
}

function formatTime({ seconds, nanos }: TarTime): string {
  if (nanos === 0) return String(seconds)
  const negative = seconds < 0
  const whole = negative ? -(seconds + 1) : seconds
  const fraction = negative ? 1_000_000_000 - nanos : nanos
  return `${negative ? '-' : ''}${whole}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`
}

function block(entry: TarEntry, typeFlag: string): Buffer {
  const bytes = Buffer.allocUnsafe(BLOCK_SIZE).fill(0) // out of the pool: two for each file
  bytes.write(entry.name.slice(0, 100), 0, 'latin1')
  bytes.write(octal(entry.mode, 7), 100, 'latin1')
  bytes.write(octal(entry.uid, 7), 108, 'latin1')
  bytes.write(octal(entry.gid, 7), 116, 'latin1')
  bytes.write(octal(entry.size, 11), 124, 'latin1')
  bytes.write(octal(entry.mtime.seconds, 11), 136, 'latin1')
  bytes.write(typeFlag, 156, 'latin1')
  if (entry.linkName !== '') bytes.write(entry.linkName.slice(0, 100), 157, 'latin1')
  bytes.write('ustar\x0000', 257, 'latin1')
  bytes.write(octal(entry.deviceMajor, 7), 329, 'latin1')
  bytes.write(octal(entry.deviceMinor, 7), 337, 'latin1')
  let sum = 8 * 0x20
  for (let at = 0; at < USED_BYTES; at++) sum += bytes[at]!
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return bytes
}

/** Of a block; what follows is zeros. */
const USED_BYTES = 345

/** A value without room here stands in the pax header, and as zero in the block. */
function octal(value: number, digits: number): string {
  const text = value >= 0 ? value.toString(8) : ''
  return text !== '' && text.length <= digits ? text.padStart(digits, '0') : '0'.repeat(digits)
}

function isAscii(text: ByteString): boolean {
  return /^[\x00-\x7f]*$/.test(text)
}
