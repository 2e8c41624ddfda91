// Archives as attackers and accidents make them, and what a containerd is to do with each: what the original does, or what is said here and why.
import { gzipSync } from 'node:zlib'
import { imageFile } from '../../src/image/make-image.ts'
import { byteString, type TarEntry } from '../../src/wire/tar/entry.ts'
import { encodeTarHeader } from '../../src/wire/tar/write-tar.ts'
import { tarOf } from './fake-registry.ts'

export const TAR = 'application/vnd.oci.image.layer.v1.tar'

export interface ArchiveCase {
  name: string
  layer: Buffer
  mediaType: string
  /** `same`: both unpack it to the same tree, or both refuse it. `refused`: so do both, and must. Else ours alone does what is named, for a reason. */
  expected: 'same' | 'refused' | { ours: 'unpacked' | 'refused'; why: string }
  /** Matched by our refusal. */
  words?: RegExp
  /** Absent: both. What is wrong with the reading alone is the same everywhere. */
  only?: 'overlayfs' | 'native'
}

type Source = ReturnType<typeof imageFile>
type Options = Partial<Pick<ArchiveCase, 'mediaType' | 'expected' | 'words' | 'only'>>

const link = (name: string, target: string) => imageFile(name, { type: 'symlink', linkName: byteString(target) })
const hardlink = (name: string, target: string) => imageFile(name, { type: 'hardlink', linkName: byteString(target) })
const directory = (name: string, fields: Partial<TarEntry> = {}) => imageFile(name, { type: 'directory', ...fields })
const text = (name: string, content = 'x') => imageFile(name, { content })

/** What is below each of them. */
export const BASE: Source[] = [
  directory('etc/'),
  text('etc/passwd', 'root:x:0:0'),
  directory('dir/', { uid: 5, gid: 6, mode: 0o1777 }),
  text('dir/a', 'a'),
  directory('dir/sub/'),
  text('dir/sub/b', 'b'),
  link('link', '/etc'),
  link('dangling', '/not/there'),
]

/** `secret` is a file of the host's, outside of everything. */
export async function archiveCases(secret: string): Promise<ArchiveCase[]> {
  return [
    ...(await pathCases(secret)),
    ...(await kindCases()),
    ...(await whiteoutCases()),
    ...[...(await numberCases()), ...(await compressionCases()), ...(await brokenCases())].map((each) => ({
      ...each,
      only: 'overlayfs' as const,
    })),
  ]
}

async function archive(name: string, sources: Source[], options: Options = {}): Promise<ArchiveCase> {
  return raw(name, await tarOf(sources), options)
}

function raw(name: string, layer: Buffer, options: Options = {}): ArchiveCase {
  return { name, layer, mediaType: TAR, expected: 'same', ...options }
}

function pathCases(secret: string): Promise<ArchiveCase[]> {
  const out = secret.slice(0, secret.lastIndexOf('/'))
  const refused = { expected: 'refused' } as const
  return Promise.all([
    archive('a name with ..', [text('../../../../../../tmp/berth-escaped')]),
    archive('a name with .. inside', [text('dir/../../../../tmp/berth-escaped')]),
    archive('an absolute name', [text('/tmp/berth-escaped')]),
    archive('names that mean the root', [directory('.', { mode: 0o700 }), directory('./'), directory('/', { uid: 9 })]),
    archive('a symlink out, then a file through it', [link('out', out), text('out/berth-escaped')]),
    archive('a symlink up, then a file through it', [link('up', '../../../../../..'), text('up/tmp/berth-escaped')]),
    archive('a chain of symlinks', [link('a', '/'), link('b', `a${out}`), text('b/berth-escaped')]),
    archive('a symlink to /proc/self/root', [link('p', '/proc/self/root'), text('p/tmp/berth-escaped')]),
    archive('a loop of symlinks', [link('a', 'b'), link('b', 'a'), text('a/x')], {
      expected: {
        ours: 'refused',
        why: 'the original makes a directory of a loop; opening it would be an error anywhere else',
      },
    }),
    archive('a file through a symlink of the layer below', [text('link/new')]),
    archive('a file through a dangling symlink of the layer below', [text('dangling/new')]),
    archive('a directory over a symlink of the layer below', [directory('link/'), text('link/in')]),
    archive('attributes through a symlink', [link('out', out), directory('out/', { mode: 0o777, uid: 9 })]),
    archive('a hard link out', [hardlink('stolen', secret)], { ...refused, words: /no such file or directory/ }),
    archive('a hard link out by ..', [hardlink('stolen', `../../../../../../../../..${secret}`)], refused),
    archive('a hard link to a later symlink', [hardlink('early', 'later'), link('later', secret)], refused),
    archive('a hard link to a symlink out, then written', [
      link('s', secret),
      hardlink('h', 's'),
      imageFile('h', { mode: 0o777, content: 'overwritten' }),
    ]),
    archive('a hard link through a symlink', [link('out', out), hardlink('stolen', 'out/secret')], refused),
    archive('a hard link to itself', [text('a'), hardlink('a', 'a')], refused),
    archive('a hard link to a directory', [directory('d/'), hardlink('h', 'd')], refused),
    archive('below a file', [text('f'), text('f/under')], { ...refused, words: /not a directory/ }),
    archive('a name of 64 KiB', [text('n'.repeat(65536))], { ...refused, words: /file name too long/ }),
    archive('a path of 64 KiB', [text('n/'.repeat(32768))], refused),
    archive('a link target of 64 KiB', [link('l', 't'.repeat(65536))], refused),
    archive('an empty link target', [link('l', '')], refused),
    archive('names with control characters', [text('a\nb'), text('c\td\x1b'), text('-rf'), text(' ')]),
  ])
}

function kindCases(): Promise<ArchiveCase[]> {
  const device = (name: string, major: number, minor: number) =>
    imageFile(name, { type: 'character-device', deviceMajor: major, deviceMinor: minor })
  const xattrs = (name: string, value: string) => new Map([[name, Buffer.from(value)]])
  return Promise.all([
    archive('devices', [device('null', 1, 3), imageFile('disk', { type: 'block-device', deviceMajor: 8 })]),
    archive('a device that is overlayfs’s whiteout', [device('etc', 0, 0)]),
    archive('a pipe in the place of a file', [imageFile('etc/passwd', { type: 'fifo' })]),
    archive('set-user-ID', [imageFile('su', { mode: 0o4755, uid: 3 }), directory('sg/', { mode: 0o2775, gid: 4 })]),
    archive('attributes', [
      imageFile('f', { xattrs: xattrs('user.note', 'v') }),
      directory('d/', { xattrs: xattrs('user.d', '1') }),
    ]),
    archive('attributes where none can be', [
      imageFile('l', { type: 'symlink', linkName: 'x', xattrs: xattrs('user.no', 'v') }),
    ]),
    archive('overlayfs’s own attributes', [directory('dir/', { xattrs: xattrs('user.overlay.opaque', 'y') })], {
      expected: { ours: 'unpacked', why: 'a layer does not speak to overlayfs: the original sets the attribute' },
    }),
    archive('one name several times', [
      text('f', '1'),
      text('f', '2'),
      directory('d/'),
      text('d/x'),
      text('d'),
      text('g'),
      directory('g/'),
    ]),
    archive('a file over a directory of the layer below', [text('dir', 'now a file')]),
    archive('a directory over a file of the layer below', [directory('etc/passwd/'), text('etc/passwd/x')]),
    archive(
      '2 000 empty files',
      Array.from({ length: 2000 }, (_, i) => text(`many/${i % 100}/${i}`, '')),
    ),
    archive('nothing', []),
    archive('times', [
      imageFile('t', { mtime: { seconds: 1500000000, nanos: 123456789 } }),
      directory('td/', { mtime: { seconds: 1400000000, nanos: 5 } }),
      text('td/later'),
    ]),
  ])
}

function whiteoutCases(): Promise<ArchiveCase[]> {
  const refused = { expected: 'refused', words: /invalid whiteout name/ } as const
  return Promise.all([
    archive('a deletion', [text('etc/.wh.passwd', ''), text('dir/.wh.sub', ''), text('.wh.link', '')]),
    archive('a deletion of what is not there', [text('etc/.wh.nothing', '')]),
    // On an overlay both leave a name there that can be listed and not found.
    archive('a deletion where nothing is there', [text('no/such/.wh.x', '')], { only: 'native' }),
    archive(
      'a deletion, and the name anew',
      [text('dir/.wh.a', ''), text('dir/a', 'new'), text('.wh.dir', ''), directory('dir/'), text('dir/c')],
      {
        expected: {
          ours: 'unpacked',
          why: 'on an overlay the original trips over the directory that it has just made',
        },
      },
    ),
    archive('a name, and its deletion after', [text('dir/new'), text('dir/.wh.new', '')], {
      expected: {
        ours: 'unpacked',
        why: 'a deletion speaks of the layers below: on an overlay ours keeps what this layer has',
      },
    }),
    archive('a deletion of the parent', [text('dir/.wh...', '')], refused),
    archive('a deletion of the directory itself', [text('dir/.wh..', '')], refused),
    archive('a deletion of nothing', [text('dir/.wh.', '')], refused),
    archive('a deletion through a symlink', [link('out', '/tmp'), text('out/.wh.berth-kept', '')], { only: 'native' }),
    archive('opaque', [directory('dir/'), text('dir/.wh..wh..opq', ''), text('dir/new')]),
    archive('opaque after its content', [
      directory('dir/'),
      text('dir/sub/new'),
      text('dir/a', 'again'),
      text('dir/.wh..wh..opq', ''),
    ]),
    archive('opaque in a directory that is not there', [text('not/there/.wh..wh..opq', '')]),
    archive('an opaque root', [text('.wh..wh..opq', ''), text('only')], {
      expected: { ours: 'unpacked', why: 'see below: the tree decides' },
    }),
    archive(
      'AUFS bookkeeping',
      [directory('.wh..wh.plnk/'), text('.wh..wh.plnk/1.2'), text('.wh..wh.aufs', ''), text('f')],
      {
        expected: { ours: 'unpacked', why: 'the original unpacks the bookkeeping as files' },
      },
    ),
  ])
}

/** One header with pax records before it, whatever they say. */
function withPax(records: Record<string, string>, source: Source, content = Buffer.alloc(0)): Buffer {
  const body = Buffer.from(
    Object.entries(records)
      .map(([key, value]) => {
        const rest = ` ${key}=${value}\n`
        let length = rest.length + 1
        while (String(length).length + rest.length !== length) length = String(length).length + rest.length
        return `${length}${rest}`
      })
      .join(''),
    'latin1',
  )
  const pax = sealed(encodeTarHeader(imageFile('pax', { content: body }).entry), (header) => header.write('x', 156))
  const pad = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
  return Buffer.concat([pax, pad(body), encodeTarHeader(source.entry), pad(content), Buffer.alloc(1024)])
}

/** A header changed by hand, with the checksum that it wants then. */
function sealed(header: Buffer, change: (header: Buffer) => void): Buffer {
  change(header)
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

async function numberCases(): Promise<ArchiveCase[]> {
  const file = text('f', 'content')
  const content = Buffer.from('content')
  const base256 = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
  const huge = sealed(encodeTarHeader(text('f', '').entry), (header) => header.write('77777777777', 124))
  const refused = { expected: 'refused' } as const
  return [
    raw('a size that pax makes larger', withPax({ size: '700' }, file, Buffer.alloc(700, 'y'))),
    raw('a size that pax makes smaller', withPax({ size: '3' }, file, content)),
    raw('a negative size', withPax({ size: '-5' }, file, content), refused),
    raw('a size beyond all numbers', withPax({ size: '99999999999999999999' }, file, content), refused),
    raw('a size of 8 GiB in an archive of one block', huge, { ...refused, words: /unexpected EOF/ }),
    raw('a user id above 32 bits', withPax({ uid: '4294967296' }, file, content), {
      expected: { ours: 'refused', why: 'the original cuts the id to 32 bits: the file would be root’s' },
    }),
    raw('a user id that chown takes for none', withPax({ uid: '4294967295' }, file, content), {
      expected: { ours: 'refused', why: 'the original leaves the file to root' },
    }),
    raw('a negative user id', withPax({ uid: '-1' }, file, content), {
      expected: { ours: 'refused', why: 'the original leaves the file to root' },
    }),
    raw(
      'a negative user id in base 256',
      sealed(encodeTarHeader(text('f', '').entry), (header) => base256.copy(header, 108)),
      {
        expected: { ours: 'refused', why: 'the original leaves the file to root' },
      },
    ),
    raw('a pax record that is none', withPax({ '': 'x' }, file, content), refused),
    raw('a pax name with NUL', withPax({ path: 'a\0b' }, file, content), refused),
    raw(
      'sparse by pax',
      withPax(
        { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 's', 'GNU.sparse.realsize': '8388608' },
        imageFile('s', { content: '0\n'.padEnd(512, '\0') }),
        Buffer.from('0\n'.padEnd(512, '\0')),
      ),
      {
        expected: {
          ours: 'refused',
          why: 'no image tool writes sparse entries, and a few bytes of one mean any size: the original writes them out',
        },
        words: /sparse file in archive/,
      },
    ),
    await archive('a time before 1970', [imageFile('old', { mtime: { seconds: -86401, nanos: 500_000_000 } })], {
      expected: { ours: 'unpacked', why: 'the original has no time before 1970' },
    }),
  ]
}

async function compressionCases(): Promise<ArchiveCase[]> {
  const tar = await tarOf([text('f', 'content')])
  const gzip = gzipSync(tar)
  const refused = { expected: 'refused' } as const
  const zstdWindow = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0, 0])
  return [
    raw('gzip', gzip, { mediaType: `${TAR}+gzip` }),
    raw('gzip of several members', Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]), {
      mediaType: `${TAR}+gzip`,
    }),
    raw('garbage after gzip', Buffer.concat([gzip, Buffer.from('garbage')]), { mediaType: `${TAR}+gzip`, ...refused }),
    raw('64 MiB of zeros after the end', gzipSync(Buffer.concat([tar, Buffer.alloc(64 << 20)]), { level: 1 }), {
      mediaType: `${TAR}+gzip`,
    }),
    raw('a wrong gzip checksum', changed(gzip, gzip.length - 6), { mediaType: `${TAR}+gzip`, ...refused }),
    raw('a gzip cut short', gzip.subarray(0, gzip.length - 9), { mediaType: `${TAR}+gzip`, ...refused }),
    raw('a zstd window of a gigabyte', zstdWindow, {
      mediaType: `${TAR}+zstd`,
      ...refused,
      words: /window size too large/,
    }),
    raw('gzip that says it is zstd', gzip, { mediaType: `${TAR}+zstd` }),
    raw('gzip that says it is not compressed', gzip, refused),
    raw('plain that says it is gzip', tar, { mediaType: `${TAR}+gzip` }),
    raw('Docker’s type for both', gzip, { mediaType: 'application/vnd.docker.image.rootfs.diff.tar' }),
    raw('Docker’s type for gzip', gzip, { mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }),
    raw('no type', tar, { mediaType: '', ...refused }),
    raw('a type that is no layer', tar, {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      ...refused,
      words: /no processor for media-type/,
    }),
    raw('an encrypted type', tar, {
      mediaType: `${TAR}+encrypted`,
      expected: { ours: 'unpacked', why: 'the original, as it is configured, hands it to a program that decrypts' },
    }),
  ]
}

async function brokenCases(): Promise<ArchiveCase[]> {
  const whole = await tarOf([
    directory('d/'),
    text('d/f', 'x'.repeat(700)),
    imageFile('n'.repeat(150), { content: 'long' }),
    link('l', 'd/f'),
  ])
  const refused = { expected: 'refused' } as const
  /** In the padding of a pax header, or between a pax header and what it speaks of. */
  const early: Options = {
    expected: { ours: 'refused', why: 'the original takes an archive that was cut there for one that ends there' },
  }
  const blocks = Array.from({ length: whole.length / 512 }, (_, block) => block)
  return [
    raw('garbage', Buffer.alloc(2048, 'garbage'), { ...refused, words: /invalid tar header/ }),
    raw('no bytes at all', Buffer.alloc(0)),
    raw('a wrong checksum', changed(whole, 0), refused),
    raw(
      'an unknown kind',
      sealed(encodeTarHeader(text('f', '').entry), (header) => header.write('Z', 156)),
      refused,
    ),
    raw(
      'a kind of old',
      sealed(encodeTarHeader(text('f', '').entry), (header) => header.write('7', 156)),
      { expected: { ours: 'unpacked', why: 'POSIX: who knows no contiguous files takes them for files' } },
    ),
    raw(
      'one zero block, then more',
      Buffer.concat([
        encodeTarHeader(text('a', '').entry),
        Buffer.alloc(512),
        encodeTarHeader(text('b', '').entry),
        Buffer.alloc(1024),
      ]),
    ),
    ...blocks.map((block) => raw(`cut after block ${block}`, whole.subarray(0, block * 512), block === 6 ? early : {})),
    ...blocks.map((block) =>
      raw(`cut in block ${block}`, whole.subarray(0, block * 512 + 200), block === 5 ? early : {}),
    ),
  ]
}

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at]! ^= 1
  return copy
}
