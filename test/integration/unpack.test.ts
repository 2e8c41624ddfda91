// Layers on a real file system: what GNU tar packed comes out the same, and hostile archives leave nothing outside.
import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { applyLayer } from '../../src/containerd/diff/apply-layer.ts'
import { LayerWorkers } from '../../src/containerd/diff/layer-workers.ts'
import type { Mount } from '../../src/containerd/snapshots/snapshotter.ts'
import { imageFile } from '../../src/image/make-image.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { encodeTarHeader, type TarSource, writeTar } from '../../src/wire/tar/write-tar.ts'
import { must } from '../harness/command.ts'
import { describeTree } from '../harness/tree.ts'

const kernel = openNativeKernel()
const workers = new LayerWorkers(2)
const root = mkdtempSync(join(tmpdir(), 'berth-unpack-'))
let count = 0
after(async () => {
  await workers.close()
  rmSync(root, { recursive: true, force: true })
})

const SECRET = join(root, 'secret')
writeFileSync(SECRET, 'of the host')

interface Target {
  directory: string
  mounts: Mount[]
}

function target(): Target {
  const directory = join(root, `layer-${count++}`)
  mkdirSync(directory)
  return { directory, mounts: [{ type: 'overlay', source: 'overlay', options: [`upperdir=${directory}`] }] }
}

async function archive(...sources: TarSource[]): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of writeTar(sources)) parts.push(part)
  return Buffer.concat(parts)
}

async function apply(blob: Buffer | string, to: Target, signal = new AbortController().signal) {
  const blobPath = typeof blob === 'string' ? blob : join(root, `blob-${count++}`)
  if (typeof blob !== 'string') writeFileSync(blobPath, blob)
  const bytes = readFileSync(blobPath)
  const diff = { mediaType: '', digest: digestOf(bytes), size: bytes.length }
  return applyLayer(workers, { diff, blobPath, mounts: to.mounts, syncFs: false, signal })
}

async function makeTree(): Promise<string> {
  const tree = join(root, `tree-${count++}`)
  mkdirSync(tree)
  const script = `
    set -e
    mkdir -p bin etc/deep/er var/spool dev empty sticky setgid "with space" ünï
    echo content > etc/file; echo deep > etc/deep/er/file; head -c 3000000 /dev/urandom > var/large; : > var/zero
    cp /bin/true bin/suid; chmod 4755 bin/suid; chown 1000:1000 bin/suid; chmod 4755 bin/suid
    cp /bin/true bin/capable; setcap cap_net_raw+ep bin/capable
    cp /bin/true bin/sgid; chmod 2711 bin/sgid
    ln etc/file etc/hard; ln etc/file var/hard; ln -s /etc/file etc/absolute; ln -s ../nowhere etc/dangling; ln etc/absolute etc/hard-to-symlink
    mknod dev/null c 1 3; mknod dev/high b 259 70000; chmod 666 dev/null; chown 0:6 dev/high; mkfifo dev/fifo; chmod 600 dev/fifo
    chmod 1777 sticky; chgrp 50 setgid; chmod 2775 setgid; : > setgid/inherits; chgrp 0 setgid/inherits; mkdir setgid/dir; chgrp 7 setgid/dir; chmod 755 setgid/dir; chmod g-s setgid/dir
    setfattr -n user.note -v hello etc/file; setfattr -n user.dir -v yes etc/deep; setfattr -n trusted.thing -v 1 var/zero; setfattr -n trusted.link -v l -h etc/absolute
    touch "with space/a b" ünï/ö
    long=$(printf 'l%.0s' $(seq 200)); mkdir -p "$long/$long"; echo long > "$long/$long/$long"; ln -s "/$long/$long" link-long
    chmod 000 var/spool; chmod 400 var/large; chown 100000:4294967294 var/large
    find . -print0 | xargs -0 touch -h -d @1234567890.123456789
    touch -d @1 etc/deep; touch -h -d @100000000 etc/dangling; touch -d @-86400.5 var/zero; touch -d @1700000000 empty
  `
  await must(['bash', '-c', script], { cwd: tree })
  return tree
}

for (const [compression, compress] of [
  ['none', ['cat']],
  ['gzip', ['gzip', '-1c']],
  ['zstd', ['zstd', '-qc']],
] as const) {
  test(`a tree packed by GNU tar and ${compression} comes out the same`, async () => {
    const tree = await makeTree()
    const tar = join(root, `${compression}.tar`)
    const flags = ['--format=pax', '--xattrs', '--xattrs-include=*', '--pax-option=delete=atime,delete=ctime']
    await must(['tar', '-c', ...flags, '-C', tree, '--numeric-owner', '-f', tar, '.'])
    await must(['sh', '-c', `"$@" < ${tar} > ${tar}.packed`, 'sh', ...compress])
    const to = target()
    const applied = await apply(`${tar}.packed`, to)
    assert.equal(applied.digest, digestOf(readFileSync(tar)))
    assert.equal(applied.size, lstatSync(tar).size)
    // The first line is the layer's own directory, which is the snapshotter's.
    assert.deepEqual((await describeTree(to.directory)).slice(1), (await describeTree(tree)).slice(1))
  })
}

test('names that are not UTF-8 are kept byte by byte', async () => {
  const to = target()
  const name = 'not-utf8-\xff\xfe'
  const fields = { name, mtime: { seconds: 5, nanos: 123_456_789 }, xattrs: new Map([['trusted.x', Buffer.from('y')]]) }
  const blob = await archive(
    imageFile('', { ...fields, name: `d-${name}/`, type: 'directory' }),
    imageFile('', { ...fields, name: `d-${name}/f-${name}`, content: 'x' }),
    imageFile('', { ...fields, name: `l-${name}`, type: 'symlink', linkName: name }),
    imageFile('', { ...fields, name: `n-${name}`, type: 'character-device', deviceMajor: 1, deviceMinor: 3 }),
    imageFile('', { name: `.wh.w-${name}` }),
  )
  await apply(blob, to)
  const names = readdirSync(to.directory, { encoding: 'buffer' }).map((bytes) => bytes.toString('latin1'))
  assert.deepEqual(
    names.sort(),
    ['d', 'l', 'n', 'w'].map((kind) => `${kind}-${name}`),
  )
  for (const found of names.filter((each) => !each.startsWith('w')))
    assert.equal(lstatSync(Buffer.from(`${to.directory}/${found}`, 'latin1'), { bigint: true }).mtimeNs, 5_123_456_789n)
})

test('whiteouts become what overlayfs understands', async () => {
  const to = target()
  const blob = await archive(
    imageFile('etc/', { type: 'directory', mtime: { seconds: 77, nanos: 0 } }),
    imageFile('etc/.wh.gone'),
    imageFile('opaque/', { type: 'directory' }),
    imageFile('opaque/.wh..wh..opq'),
    imageFile('opaque/new', { content: 'new' }),
    imageFile('.wh.replaced'),
    imageFile('replaced/', { type: 'directory' }),
    imageFile('replaced/inside'),
    imageFile('.wh.then-file'),
    imageFile('then-file', { content: 'file' }),
    imageFile('.wh..wh.plnk'),
    imageFile('missing/parent/.wh.x'),
  )
  await apply(gzipSync(blob), to)
  const gone = lstatSync(join(to.directory, 'etc/gone'))
  assert.ok(gone.isCharacterDevice())
  assert.equal(gone.rdev, 0)
  assert.equal(lstatSync(join(to.directory, 'etc')).mtimeMs, 77_000, 'the directory keeps its time')
  const opaque = (path: string) => kernel.lgetxattr(join(to.directory, path), 'trusted.overlay.opaque')
  assert.deepEqual(Buffer.from(opaque('opaque')!), Buffer.from('y'))
  assert.deepEqual(
    Buffer.from(opaque('replaced')!),
    Buffer.from('y'),
    'a directory in the place of a whiteout still hides',
  )
  assert.equal(opaque('etc'), undefined)
  assert.equal(readFileSync(join(to.directory, 'then-file'), 'utf8'), 'file')
  assert.ok(lstatSync(join(to.directory, 'missing/parent/x')).isCharacterDevice())
  assert.deepEqual(readdirSync(to.directory).sort(), ['etc', 'missing', 'opaque', 'replaced', 'then-file'])
})

test('parents that the archive does not mention are made like those of the layers below', async () => {
  const lower = target().directory
  mkdirSync(join(lower, 'tmp/inner'), { recursive: true })
  await must(['sh', '-c', 'chmod 1777 tmp; chown 5:6 tmp/inner', 'sh'], { cwd: lower })
  const { directory } = target()
  const mounts = [
    { type: 'overlay', source: 'overlay', options: [`upperdir=${directory}`, `workdir=/x`, `lowerdir=${lower}`] },
  ]
  await apply(await archive(imageFile('tmp/inner/other/file')), { directory, mounts })
  assert.equal(lstatSync(join(directory, 'tmp')).mode & 0o7777, 0o1777)
  assert.equal(lstatSync(join(directory, 'tmp/inner')).uid, 5)
  assert.equal(lstatSync(join(directory, 'tmp/inner/other')).mode & 0o7777, 0o755)
})

test('a default ACL on a directory does not change the modes of what is packed in it', async () => {
  const to = target()
  // Version 2; owner rwx, group r-x, others nothing.
  const acl = Buffer.from('0200000001000700ffffffff04000500ffffffff20000000ffffffff', 'hex')
  await apply(
    await archive(
      imageFile('d/', { type: 'directory', xattrs: new Map([['system.posix_acl_default', acl]]) }),
      imageFile('d/open', { mode: 0o666, content: 'x' }),
      imageFile('d/inner/', { type: 'directory', mode: 0o777 }),
      imageFile('d/fifo', { type: 'fifo', mode: 0o666 }),
    ),
    to,
  )
  const mode = (path: string) => lstatSync(join(to.directory, path)).mode & 0o7777
  assert.deepEqual([mode('d'), mode('d/open'), mode('d/inner'), mode('d/fifo')], [0o755, 0o666, 0o777, 0o666])
})

test('later entries replace earlier ones of another kind', async () => {
  const to = target()
  const blob = await archive(
    imageFile('a', { content: 'old' }),
    imageFile('a', { content: 'newer' }),
    imageFile('b/', { type: 'directory' }),
    imageFile('b/c', { content: 'x' }),
    imageFile('b', { content: 'file' }),
    imageFile('d', { content: 'file' }),
    imageFile('d/', { type: 'directory', mode: 0o700 }),
    imageFile('d/', { type: 'directory', mode: 0o711 }),
  )
  await apply(blob, to)
  assert.equal(readFileSync(join(to.directory, 'a'), 'utf8'), 'newer')
  assert.equal(readFileSync(join(to.directory, 'b'), 'utf8'), 'file')
  assert.equal(lstatSync(join(to.directory, 'd')).mode & 0o777, 0o711)
})

test('nothing that a layer says reaches outside of its directory', async () => {
  const hostile: [string, TarSource[]][] = [
    ['dots', [imageFile('../../../../../../../../tmp/berth-escaped', { content: 'x' })]],
    ['absolute', [imageFile('/tmp/berth-escaped', { content: 'x' })]],
    [
      'symlink out, then through it',
      [imageFile('out', { type: 'symlink', linkName: root }), imageFile('out/berth-escaped')],
    ],
    [
      'relative symlink out',
      [imageFile('out', { type: 'symlink', linkName: '../../../../../../..' }), imageFile('out/tmp/berth-escaped')],
    ],
    [
      'symlink chain',
      [
        imageFile('a', { type: 'symlink', linkName: '/' }),
        imageFile('b', { type: 'symlink', linkName: `a${root}` }),
        imageFile('b/berth-escaped'),
      ],
    ],
    [
      'whiteout through a symlink',
      [
        imageFile('out', { type: 'symlink', linkName: root }),
        imageFile('out/.wh.secret'),
        imageFile('out/.wh..wh..opq'),
      ],
    ],
    [
      'directory attributes through a symlink',
      [
        imageFile('out', { type: 'symlink', linkName: root }),
        imageFile('out/', { type: 'directory', mode: 0o777, uid: 9 }),
      ],
    ],
    [
      'overlay attributes',
      [
        imageFile('d/', {
          type: 'directory',
          xattrs: new Map([
            ['trusted.overlay.redirect', Buffer.from('/etc')],
            ['user.overlay.opaque', Buffer.from('y')],
          ]),
        }),
      ],
    ],
    [
      '/proc/self/root',
      [imageFile('p', { type: 'symlink', linkName: '/proc/self/root' }), imageFile('p/tmp/berth-escaped')],
    ],
  ]
  for (const [what, sources] of hostile) {
    const to = target()
    await apply(await archive(...sources), to).catch(() => {})
    assert.ok(!existsSync('/tmp/berth-escaped') && !existsSync(join(root, 'berth-escaped')), what)
    assert.equal(readFileSync(SECRET, 'utf8'), 'of the host', what)
    assert.equal(lstatSync(root).uid, 0, what)
    assert.equal(kernel.lgetxattr(root, 'trusted.overlay.opaque'), undefined, what)
    if (what !== 'overlay attributes') continue
    assert.deepEqual(kernel.llistxattr(join(to.directory, 'd')), [], 'a layer does not speak to overlayfs')
  }
})

test('hard links and modes stay inside too', async () => {
  const to = target()
  const blob = await archive(imageFile('stolen', { type: 'hardlink', linkName: `../../../..${SECRET}` }))
  await assert.rejects(apply(blob, to), /failed to extract layer sha256:\w+: link \/stolen: no such file or directory/)
  assert.deepEqual(readdirSync(to.directory), [])
  const before = lstatSync(SECRET).mode
  const chmod = target()
  await apply(
    await archive(
      imageFile('s', { type: 'symlink', linkName: SECRET }),
      imageFile('h', { type: 'hardlink', linkName: 's' }),
      imageFile('h', { mode: 0o777, content: 'overwritten' }),
    ),
    chmod,
  )
  assert.equal(lstatSync(SECRET).mode, before)
  assert.equal(readFileSync(SECRET, 'utf8'), 'of the host')
})

test('damaged layers fail with their digest and what was wrong', async () => {
  const good = await archive(imageFile('a', { content: 'x'.repeat(100_000) }))
  const gz = gzipSync(good)
  const flipped = Buffer.from(gz)
  flipped[flipped.length - 6]! ^= 1
  const cases: [string, Buffer, RegExp][] = [
    ['garbage', Buffer.alloc(2000, 'garbage'), /invalid tar header/],
    ['a truncated archive', good.subarray(0, 5000), /unexpected EOF/],
    ['a truncated gzip', gz.subarray(0, gz.length - 20), /unexpected end of file/],
    ['a wrong gzip checksum', flipped, /incorrect data check/],
    ['garbage after the gzip', Buffer.concat([gz, Buffer.from('trailing garbage')]), /incorrect header check/],
    ['a whiteout of the parent', await archive(imageFile('a/.wh...')), /invalid whiteout name/],
    ['a device in no way', checksumless(), /invalid tar header/],
    ['a truncated zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x01]), /zstd: /],
    [
      'a zstd window of a gigabyte',
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0, 0]),
      /window size too large/,
    ],
  ]
  for (const [what, blob, message] of cases)
    await assert.rejects(apply(blob, target()), (error: Error) => {
      assert.match(error.message, /^failed to extract layer sha256:[0-9a-f]{64}: /, what)
      assert.match(error.message, message, what)
      return true
    })
})

function checksumless(): Buffer {
  const header = encodeTarHeader(imageFile('x').entry)
  header.write('999999', 148)
  return header
}

test('a gzip of several members is one layer', async () => {
  const to = target()
  const bytes = await archive(imageFile('a', { content: 'x' }), imageFile('b', { content: 'y' }))
  const applied = await apply(Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))]), to)
  assert.equal(applied.digest, digestOf(bytes))
  assert.deepEqual(readdirSync(to.directory), ['a', 'b'])
})

test('a cancelled unpack ends soon, and the worker serves the next', async () => {
  const stop = new AbortController()
  const big = await archive(
    ...Array.from({ length: 3000 }, (_, i) => imageFile(`f${i}`, { content: 'x'.repeat(2000) })),
  )
  const path = join(root, 'big')
  writeFileSync(path, big)
  const work = apply(path, target(), stop.signal)
  stop.abort()
  await assert.rejects(work, /context canceled|aborted/)
  const to = target()
  await apply(await archive(imageFile('next')), to)
  assert.deepEqual(readdirSync(to.directory), ['next'])
})

test('a full disk is told in plain words', async () => {
  const directory = join(root, 'small')
  mkdirSync(directory)
  kernel.mount('tmpfs', directory, 'tmpfs', 0, 'size=256k')
  try {
    const to = { directory, mounts: [{ type: 'bind', source: directory, options: ['rw', 'rbind'] }] }
    const blob = await archive(
      imageFile('etc/', { type: 'directory' }),
      imageFile('etc/large', { content: 'x'.repeat(1_000_000) }),
    )
    await assert.rejects(apply(blob, to), (error: Error & { code?: string }) => {
      assert.match(error.message, /: write \/etc\/large: no space left on device$/)
      assert.equal(error.code, 'resource-exhausted')
      return true
    })
  } finally {
    kernel.umount(directory, 0)
  }
})
