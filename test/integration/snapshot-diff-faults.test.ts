// Diff.Diff where things go wrong or somebody means it: media types, refs, leases, clients that leave, a kill, upper directories made to deceive.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, afterEach, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { isFailure } from '../../src/base/failure.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { eventually, must } from '../harness/command.ts'
import { blobOf, diffSnapshots, entriesOf, removeAll } from '../harness/layers.ts'
import { type ContainerdSide, startTwoContainerds, withMounted } from '../harness/two-containerds.ts'

let both: Awaited<ReturnType<typeof startTwoContainerds>>
before(async () => {
  both = await startTwoContainerds()
})
after(() => both[Symbol.asyncDispose]())
afterEach(async () => {
  for (const side of [both.ours, both.original]) await removeAll(side, 'overlayfs')
  assert.deepEqual(await ingests(), [], 'no upload is left')
  assert.ok(!readFileSync('/proc/self/mounts', 'utf8').includes(both.ours.directory), 'no mount is left')
})

const TAR = 'application/vnd.oci.image.layer.v1.tar'

async function ingests(): Promise<string[]> {
  const { statuses } = await both.ours.client.content.listStatuses({})
  return statuses.map(({ ref }) => ref)
}

/** `base` with what the first script makes, and over it the active snapshot `work` with what the second does. */
async function prepare(base: string, work: string, mountOptions = '', side: ContainerdSide = both.ours): Promise<void> {
  await side.ok('snapshots', 'prepare', 'base-active')
  await withMounted(side, 'overlayfs', 'base-active', (cwd) => must(['bash', '-ec', base], { cwd }))
  await side.ok('snapshots', 'commit', 'base', 'base-active')
  await side.ok('snapshots', 'prepare', 'work', 'base')
  const run = (cwd: string) => must(['bash', '-ec', work], { cwd })
  if (mountOptions === '') await withMounted(side, 'overlayfs', 'work', run)
  else await withMountedBy(mountOptions, run)
}

/** With options of overlayfs that no snapshotter of ours gives. */
async function withMountedBy(mountOptions: string, work: (directory: string) => Promise<unknown>): Promise<void> {
  const target = `${both.directory}/by-hand`
  const { mounts } = await both.ours.client.snapshots.mounts({ snapshotter: 'overlayfs', key: 'work' })
  const options = [...(mounts[0]?.options ?? []), mountOptions].join(',')
  await must(['mkdir', '-p', target])
  await must(['mount', '-t', 'overlay', 'overlay', target, '-o', options])
  try {
    await work(target)
  } finally {
    await must(['umount', target])
  }
}

async function upperOf(key: string): Promise<string> {
  const { mounts } = await both.ours.client.snapshots.mounts({ snapshotter: 'overlayfs', key })
  const upper = mounts[0]?.options.find((option) => option.startsWith('upperdir='))
  return upper?.slice('upperdir='.length) ?? ''
}

async function entriesOfDiff(request: Parameters<typeof diffSnapshots>[4] = {}): Promise<string[]> {
  const { digest } = await diffSnapshots(both.ours, 'overlayfs', 'base', 'work', { mediaType: TAR, ...request })
  return entriesOf(await blobOf(both.ours, digest))
}

test('each media type is one way to write the same archive, others are refused in the original’s words', async () => {
  const { ours, original } = both
  await prepare('echo a > a', 'head -c 3000000 /dev/urandom > b; rm a')
  const plain = await diffSnapshots(ours, 'overlayfs', 'base', 'work', { mediaType: TAR })
  const tar = await blobOf(ours, plain.digest)
  assert.equal(
    (await ours.client.content.info({ digest: plain.digest })).info?.labels['containerd.io/uncompressed'],
    undefined,
  )
  for (const [suffix, unpack] of [
    ['+gzip', ['gzip', '-dc']],
    ['+zstd', ['zstd', '-dc']],
  ] as const) {
    const made = await diffSnapshots(ours, 'overlayfs', 'base', 'work', { mediaType: TAR + suffix })
    assert.equal(made.mediaType, TAR + suffix)
    const file = `${both.directory}/packed`
    await must(['sh', '-c', `cat > ${file}`], { input: await blobOf(ours, made.digest) })
    const sum = await must(['sh', '-c', `${unpack.join(' ')} ${file} | sha256sum`])
    assert.equal(`sha256:${sum.split(' ')[0]}`, digestOf(tar))
    const { info } = await ours.client.content.info({ digest: made.digest })
    assert.equal(info?.labels['containerd.io/uncompressed'], digestOf(tar))
  }
  await prepare('echo a > a', 'rm a', '', original)
  for (const mediaType of ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'text/plain']) {
    const failures = await Promise.all(
      [ours, original].map((side) =>
        diffSnapshots(side, 'overlayfs', 'base', 'work', { mediaType }).then(
          () => assert.fail('it was made'),
          (error: Error & { code?: string }) => [error.code, error.message],
        ),
      ),
    )
    assert.deepEqual(failures[0], failures[1])
  }
})

test('an upload is named by its client, or by nobody; labels and leases go with the blob', async () => {
  const { ours } = both
  await prepare('echo a > a', 'echo b > b')
  const lease = await ours.client.leases.create({ id: 'its-own' })
  const leased = { ...ours, client: ours.client.withLease(lease.lease?.id ?? '') }
  const request = { ref: 'my-diff', labels: { mine: 'yes' } }
  const made = await diffSnapshots(leased, 'overlayfs', 'base', 'work', request)
  const { resources } = await ours.client.leases.listResources({ id: 'its-own' })
  assert.ok(resources.some(({ id, type }) => id === made.digest && type === 'content'))
  const again = await diffSnapshots(ours, 'overlayfs', 'base', 'work', { ref: 'my-diff', labels: { more: 'too' } })
  assert.equal(again.digest, made.digest)
  const { info } = await ours.client.content.info({ digest: made.digest })
  assert.deepEqual([info?.labels['mine'], info?.labels['more']], ['yes', 'too'])
  await ours.client.leases.delete({ id: 'its-own' })
})

test('no file is younger than the source date epoch', async () => {
  await prepare('mkdir d; touch -d @1000 d', 'touch -d @2000000000.5 young; touch -d @900 old; mkdir new; echo x > d/x')
  const { digest } = await diffSnapshots(both.ours, 'overlayfs', 'base', 'work', { mediaType: TAR, epoch: 1500 })
  const list = await must(['tar', '-tv', '--full-time', '--utc'], { input: await blobOf(both.ours, digest) })
  const times = list.split('\n').map((line) => line.replace(/.* (1970-\S+ \S+) /, '$1 '))
  assert.deepEqual(times, [
    '1970-01-01 00:25:00 d/',
    '1970-01-01 00:25:00 d/x',
    '1970-01-01 00:25:00 new/',
    '1970-01-01 00:15:00 old',
    '1970-01-01 00:25:00 young',
  ])
})

test('a client that leaves calls the diff off, a kill in the middle leaves no mount, and memory has a bound', async () => {
  const { ours } = both
  await prepare('true', 'truncate -s 3G large; echo x > small')
  const leaving = new AbortController()
  const abandoned = diffSnapshots(ours, 'overlayfs', 'base', 'work', {}, leaving.signal)
  await eventually('bytes arrive', 10_000, async () => (await ingests()).length > 0)
  leaving.abort()
  await assert.rejects(abandoned)
  await eventually('the upload is gone', 10_000, async () => (await ingests()).length === 0)

  const before = readFileSync('/proc/self/mounts', 'utf8')
  const killed = diffSnapshots(ours, 'overlayfs', 'base', 'work', { ref: 'killed' })
  await eventually('bytes arrive', 10_000, async () => (await ingests()).length > 0)
  const memory = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${ours.pid()}/status`, 'utf8'))?.[1])
  assert.ok(memory < 400_000, `${memory} KiB at the most`)
  const rejected = assert.rejects(killed)
  await ours.stop('SIGKILL')
  assert.equal(readFileSync('/proc/self/mounts', 'utf8'), before)
  await ours.start()
  await rejected
  await ours.ctr(['snapshots', 'rm', 'view-base']) // where nobody was there to do it
  assert.deepEqual(await ingests(), ['killed'], 'what its client named can be begun anew')
  await withMounted(ours, 'overlayfs', 'work', (cwd) => must(['rm', 'large'], { cwd }))
  assert.deepEqual(await entriesOfDiff({ ref: 'killed' }), ['small file 644 0:0  2 '])
})

test('renamed directories and files without content are read as the kernel reads them', async () => {
  const base = 'mkdir -p lower/deep; echo f > lower/deep/f; echo content > meta'
  await prepare(base, 'mv lower moved; echo g > moved/deep/g', 'redirect_dir=on')
  assert.match(await must(['getfattr', '-m', '-', '-d', `${await upperOf('work')}/moved`]), /overlay\.redirect/)
  assert.deepEqual(await entriesOfDiff(), [
    '.wh.lower file 0 0:0  0 ',
    'moved/ directory 755 0:0  0 ',
    'moved/deep/ directory 755 0:0  0 ',
    'moved/deep/f file 644 0:0  2 ',
    'moved/deep/g file 644 0:0  2 ',
  ])
  await removeAll(both.ours, 'overlayfs')
  await prepare(base, 'chmod 600 meta', 'metacopy=on')
  const upper = await upperOf('work')
  assert.match(await must(['getfattr', '-m', '-', '-d', `${upper}/meta`]), /overlay\.metacopy/)
  assert.deepEqual(await entriesOfDiff(), ['meta file 600 0:0  8 '], 'its content is the layer’s below')
})

test('what a container writes into its upper directory is not believed to be overlayfs’s own', async () => {
  const base =
    'mkdir -p opaque hidden nested; echo a > opaque/a; echo b > hidden/b; echo c > nested/c; echo d > nested/d'
  const fake = `setfattr -n user.overlay.opaque -v y opaque; setfattr -n user.overlay.redirect -v /etc hidden
    : > hidden/b; setfattr -n user.overlay.whiteout -v y hidden/b; setfattr -n user.overlay.metacopy -v '' hidden/b; setfattr -n user.mine -v kept hidden`
  await prepare(base, fake)
  assert.deepEqual(await entriesOfDiff(), ['hidden/ directory 755 0:0  0 ', 'hidden/b file 644 0:0  0 '])
  const { digest } = await diffSnapshots(both.ours, 'overlayfs', 'base', 'work')
  const tar = gunzipSync(await blobOf(both.ours, digest)).toString('latin1')
  assert.ok(tar.includes('SCHILY.xattr.user.mine=kept') && !tar.includes('overlay.'))
  await removeAll(both.ours, 'overlayfs')

  // Whiteouts in the form that an overlay on an overlay has them (kernel 6.7).
  await prepare(base, 'echo e > nested/e')
  await must(
    ['sh', '-ec', `setfattr -n trusted.overlay.opaque -v x . ; : > c; setfattr -n trusted.overlay.whiteout -v y c`],
    { cwd: `${await upperOf('work')}/nested` },
  )
  assert.deepEqual(await entriesOfDiff(), [
    'nested/ directory 755 0:0  0 ',
    'nested/.wh.c file 0 0:0  0 ',
    'nested/e file 644 0:0  2 ',
  ])
})

test('what no layer can say is refused by name', async () => {
  await prepare('mkdir d; echo a > d/a', 'echo x > d/.wh.a')
  await assert.rejects(entriesOfDiff(), (error) => {
    assert.ok(isFailure(error, 'invalid-argument'))
    assert.match(error.message, /failed to write diff: \/d\/\.wh\.a: a name beginning with \.wh\. cannot be in a layer/)
    return true
  })
  await removeAll(both.ours, 'overlayfs')
  const deep = 'for i in $(seq 30); do d=$(printf "d%.0s" $(seq 200)); mkdir $d; cd $d; done; echo end > end'
  await prepare('true', deep)
  await assert.rejects(entriesOfDiff(), /failed to write diff: .*file name too long/)
})

test('a file that changes while it is read does not hurt', async () => {
  const { ours } = both
  await prepare('true', 'mkdir -p d; for i in $(seq 50); do echo $i > d/$i; done')
  await withMounted(ours, 'overlayfs', 'work', async (cwd) => {
    const script =
      'while [ ! -e stop ]; do rm -rf d/7; mkfifo d/7; rm d/7; ln -s / d/7; rm d/7; mkdir d/7; echo x > d/7/x; done'
    const changing = must(['sh', '-c', script], { cwd })
    try {
      for (let round = 0; round < 5; round++)
        await entriesOfDiff().catch((error) => assert.match(String(error), /failed to write diff: /))
    } finally {
      await must(['touch', 'stop'], { cwd })
      await changing
    }
  })
  assert.ok((await entriesOfDiff()).length >= 51)
})
