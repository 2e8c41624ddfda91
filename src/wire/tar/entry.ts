// What a tar archive says about one file (POSIX.1-2017 pax and ustar, GNU tar's extensions, star's xattr records).

/**
 * Bytes as a string with one character (0 to 255) per byte. File names on Linux are bytes, not text: a name that is not UTF-8
 * must come out of an archive as it went in.
 */
export type ByteString = string

export type TarEntryType = 'file' | 'hardlink' | 'symlink' | 'character-device' | 'block-device' | 'directory' | 'fifo'

export interface TarTime {
  seconds: number
  nanos: number
}

export interface TarEntry {
  name: ByteString
  type: TarEntryType
  /** Target of a link, '' otherwise. */
  linkName: ByteString
  /** Permission bits with setuid, setgid and sticky: 0 to 07777. */
  mode: number
  uid: number
  gid: number
  /** Bytes of content that follow; 0 for all but files. */
  size: number
  mtime: TarTime
  deviceMajor: number
  deviceMinor: number
  /** Extended attributes by full name (`security.capability`), values as raw bytes. */
  xattrs: ReadonlyMap<ByteString, Uint8Array>
}

export const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map()

/** Tar's unit: headers fill one, content is padded to it. */
export const BLOCK_SIZE = 512

/** For people: what the bytes say in UTF-8. */
export function displayName(name: ByteString): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}

/** The bytes of a text in UTF-8. */
export function byteString(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1')
}
