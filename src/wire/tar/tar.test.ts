import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync, symlinkSync, linkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { byteString, NO_XATTRS, type TarEntry } from './entry.ts'
import { TarParser, type TarSink } from './tar-parser.ts'
import { encodeTarHeader, type TarSource, writeTar } from './write-tar.ts'

interface Read {
  entry: TarEntry
  content: string
}

function collect(limits?: { entriesMax: number; metadataBytesMax: number }) {
  const reads: Read[] = []
  let parts: Buffer[] = []
  const sink: TarSink = {
    entry: (entry) => {
      parts = []
      reads.push({ entry, content: '' })
    },
    data: (bytes) => parts.push(Buffer.from(bytes)),
    end: () => {
      reads.at(-1)!.content = Buffer.concat(parts).toString('latin1')
    },
  }
  return { reads, parser: new TarParser(sink, limits) }
}

function readAll(archive: Buffer, chunkSize = archive.length): Read[] {
  const { reads, parser } = collect()
  for (let at = 0; at < archive.length; at += chunkSize) parser.push(archive.subarray(at, at + chunkSize))
  parser.finish()
  return reads
}

const PLAIN: TarEntry = {
  name: 'a',
  type: 'file',
  linkName: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 1_700_000_000, nanos: 0 },
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: NO_XATTRS,
}

async function archiveOf(...sources: TarSource[]): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of writeTar(sources)) parts.push(part)
  return Buffer.concat(parts)
}

test('what the writer writes the parser reads, in chunks of any size', async () => {
  const entries: TarEntry[] = [
    { ...PLAIN, name: 'dir/', type: 'directory', mode: 0o1777 },
    { ...PLAIN, name: `${'long/'.repeat(60)}x`, mode: 0o4755, uid: 3_000_000_000, gid: 7, size: 5 },
    { ...PLAIN, name: byteString('dir/ünï'), mtime: { seconds: -3, nanos: 250_000_000 } },
    { ...PLAIN, name: 'dir/not-utf8-\xff\xfe' },
    { ...PLAIN, name: 'sym', type: 'symlink', linkName: '/'.padEnd(150, 'y') },
    { ...PLAIN, name: 'hard', type: 'hardlink', linkName: 'a' },
    { ...PLAIN, name: 'null', type: 'character-device', deviceMajor: 1, deviceMinor: 3 },
    { ...PLAIN, name: 'disk', type: 'block-device', deviceMajor: 300, deviceMinor: 70_000 },
    { ...PLAIN, name: 'fifo', type: 'fifo', mtime: { seconds: 1_700_000_000, nanos: 123_456_789 } },
    { ...PLAIN, name: 'caps', xattrs: new Map([['security.capability', Buffer.from([1, 0, 0, 2, 61, 10])]]) },
  ]
  const archive = await archiveOf(
    ...entries.map((entry) => ({ entry, content: entry.size > 0 ? [Buffer.from('hel'), Buffer.from('lo')] : [] })),
  )
  for (const chunkSize of [1, 7, 511, 512, 513, 4096, archive.length]) {
    const reads = readAll(archive, chunkSize)
    assert.deepEqual(
      reads.map(({ entry }) => entry),
      entries,
    )
    assert.equal(reads[1]?.content, 'hello')
  }
})

test('GNU tar reads what the writer writes', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tar-'))
  try {
    const name = `${'d'.repeat(90)}/${'f'.repeat(90)}`
    writeFileSync(
      join(directory, 'x.tar'),
      await archiveOf({ entry: { ...PLAIN, name, size: 3 }, content: [Buffer.from('abc')] }),
    )
    assert.equal(execFileSync('tar', ['-xOf', join(directory, 'x.tar'), name], { encoding: 'utf8' }), 'abc')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

for (const format of ['gnu', 'pax', 'ustar', 'v7', 'oldgnu']) {
  test(`the parser reads GNU tar's ${format} format`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'tar-'))
    try {
      const long = format === 'gnu' || format === 'pax' || format === 'oldgnu' ? 'n'.repeat(180) : 'n'.repeat(60)
      writeFileSync(join(directory, long), 'content')
      linkSync(join(directory, long), join(directory, 'z-hard'))
      symlinkSync(long, join(directory, 'z-sym'))
      const archive = execFileSync('tar', [
        '-c',
        `--format=${format}`,
        '--sort=name',
        '--mtime=@1234567890',
        '-C',
        directory,
        '.',
      ])
      const reads = readAll(archive, 1000)
      assert.deepEqual(
        reads.map(({ entry }) => [entry.type, entry.name, entry.linkName]),
        [
          ['directory', './', ''],
          ['file', `./${long}`, ''],
          ['hardlink', './z-hard', `./${long}`],
          ['symlink', './z-sym', long],
        ],
      )
      assert.equal(reads[1]?.content, 'content')
      assert.deepEqual(reads[1]?.entry.mtime, { seconds: 1_234_567_890, nanos: 0 })
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
}

test('base-256 numbers are read, and refused where they are out of range', () => {
  const header = encodeTarHeader(PLAIN)
  const withUid = (bytes: number[]) => {
    const changed = Buffer.from(header)
    Buffer.from(bytes).copy(changed, 108)
    return checksummed(changed)
  }
  assert.equal(readAll(withUid([0x80, 0, 0, 0, 0, 0xff, 0, 1]))[0]?.entry.uid, 0xff0001)
  assert.throws(() => readAll(withUid([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe])), /invalid user or group id -2/)
  const size = Buffer.from(header)
  Buffer.from([0xff, ...Array(11).fill(0xff)]).copy(size, 124)
  assert.throws(() => readAll(checksummed(size)), /invalid tar header/)
})

test('hostile archives are refused', async () => {
  const header = encodeTarHeader(PLAIN)
  const paxHeader = (body: string) => {
    const block = Buffer.from(header)
    block.write('x', 156)
    block.write(Buffer.byteLength(body).toString(8).padStart(11, '0'), 124)
    return Buffer.concat([checksummed(block), Buffer.from(body.padEnd(512, '\0')), header])
  }
  const wrongChecksum = Buffer.from(header)
  wrongChecksum[0] = 0x62
  const hugePax = Buffer.from(header)
  hugePax.write('x', 156)
  hugePax.write('77777777777', 124)
  const sparse = Buffer.from(header)
  sparse.write('S', 156)
  const cases: [string, Buffer, RegExp][] = [
    ['a wrong checksum', wrongChecksum, /invalid tar header/],
    ['garbage', Buffer.alloc(512, 'garbage'), /invalid tar header/],
    ['half a header', header.subarray(0, 100), /unexpected EOF/],
    ['half a content', encodeTarHeader({ ...PLAIN, size: 600 }), /unexpected EOF/],
    ['a pax header of gigabytes', checksummed(hugePax), /too long/],
    ['a pax record longer than the header', paxHeader('99 path=x\n'), /invalid tar header/],
    ['a pax record that cuts itself short', paxHeader('3 path=x\n'), /invalid tar header/],
    ['a NUL in a pax path', paxHeader('12 path=a\0b\n'), /invalid tar header/],
    ['a negative pax size', paxHeader('11 size=-5\n'), /invalid tar header/],
    ['a pax header with nothing after it', paxHeader('10 path=x\n').subarray(0, 1024), /unexpected EOF/],
    ['a sparse file', checksummed(sparse), /sparse file/],
    ['an entry between the zero blocks', Buffer.concat([Buffer.alloc(512), header]), /invalid tar header/],
  ]
  for (const [what, archive, message] of cases) assert.throws(() => readAll(archive), message, what)
  const { parser } = collect({ entriesMax: 3, metadataBytesMax: 100 })
  assert.throws(() => parser.push(Buffer.concat(Array(4).fill(header))), /more than 3 entries/)
})

test('random damage never makes the parser do anything but throw a Failure', async () => {
  const archive = await archiveOf(
    { entry: { ...PLAIN, name: 'p'.repeat(300), size: 700 }, content: [Buffer.alloc(700, 'c')] },
    { entry: { ...PLAIN, name: 'x', xattrs: new Map([['user.a', Buffer.from('b')]]) } },
    { entry: { ...PLAIN, name: 's', type: 'symlink', linkName: 't' } },
  )
  let seed = 20_260_101
  const random = (limit: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 8) % limit
  }
  for (let round = 0; round < 3000; round++) {
    const damaged = Buffer.from(archive)
    for (let i = random(4); i >= 0; i--) damaged[random(damaged.length)] = random(256)
    // Headers whose checksum is right again reach the code behind it.
    if (round % 2 === 0)
      for (let at = 0; at < damaged.length; at += 512)
        if (damaged[at + 257] === 0x75) checksummed(damaged.subarray(at, at + 512))
    try {
      readAll(damaged.subarray(0, damaged.length - random(1024)), 1 + random(2000))
    } catch (error) {
      assert.equal((error as Error).name, 'Failure', `round ${round}: ${(error as Error).stack}`)
    }
  }
})

function checksummed(block: Buffer): Buffer {
  block.fill(0x20, 148, 156)
  let sum = 0
  for (const byte of block.subarray(0, 512)) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}
