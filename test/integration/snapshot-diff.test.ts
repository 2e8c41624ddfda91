// What was written into a snapshot becomes a layer, and the layer makes the same tree again: by us, by the original containerd, by GNU tar.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { digestOf } from '../../src/oci/digest.ts'
import { must } from '../harness/command.ts'
import { blobOf, diffSnapshots, entriesOf, removeAll } from '../harness/layers.ts'
import { describeTree } from '../harness/tree.ts'
import { type ContainerdSide, startTwoContainerds, storeBlob, withMounted } from '../harness/two-containerds.ts'

let both: Awaited<ReturnType<typeof startTwoContainerds>>
before(async () => {
  both = await startTwoContainerds()
})
after(() => both[Symbol.asyncDispose]())

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'
const SNAPSHOTTERS = ['overlayfs', 'native'] as const

/** The layer below: odd things that stay, change or go. */
const BASE = `
  mkdir -p bin etc/deep/er var/spool dev empty sticky opaque/inner renamed gone/with/children swapped becomes-file "with space" ünï touched
  echo content > etc/file; echo deep > etc/deep/er/file; head -c 300000 /dev/urandom > var/large; : > var/zero
  cp /bin/true bin/suid; chown 1000:1000 bin/suid; chmod 4755 bin/suid; cp /bin/true bin/capable; setcap cap_net_raw+ep bin/capable
  echo linked > etc/linked; ln etc/linked etc/linked2; ln etc/linked var/linked3; ln -s /etc/file etc/link; echo f > becomes-dir; echo x > swapped/x
  echo a > opaque/a; echo b > opaque/inner/b; echo r > renamed/file; echo g > gone/with/children/file; echo k > kept; echo same > same
  mknod dev/null c 1 3; mkfifo dev/fifo; chmod 1777 sticky; setfattr -n user.note -v hello etc/file; echo file > etc/to-link; echo cap > cap-added
  find . -print0 | xargs -0 touch -h -d @1234567890.123456789; touch -d @1234567890 same
`

/** What a container does to it. */
const CHANGES = `
  echo more >> etc/file; rm etc/deep/er/file; rm -r gone; chmod 700 empty; chown 5:6 etc/deep; setfattr -n user.note -v changed etc/file
  rm -r opaque; mkdir opaque; echo new > opaque/new; mkdir opaque/inner; mv renamed/file renamed/other
  rm becomes-dir; mkdir becomes-dir; echo inside > becomes-dir/inside; rm -r becomes-file; echo now a file > becomes-file
  rm -r swapped; ln -s etc swapped; rm etc/to-link; ln -s ../bin etc/to-link; ln etc/linked newlink; chmod 640 same; chmod 644 same
  cp /bin/true bin/suid2; chown 7:8 bin/suid2; chmod 6755 bin/suid2; setcap cap_chown+ep cap-added; setfattr -n trusted.t -v v bin/suid2
  mkdir -p new/with/parents; echo x > new/with/parents/x; ln new/with/parents/x new/hard; mkfifo new/fifo; mknod new/dev b 259 70000; chmod 600 new/dev
  long=$(printf 'l%.0s' $(seq 200)); mkdir -p "$long/$long"; echo long > "$long/$long/$long"; ln -s "/$long/$long" new/link-long
  truncate -s 5M new/sparse; printf end | dd of=new/sparse bs=1 seek=3000000 conv=notrunc status=none; chown 100000:4294967294 new/sparse
  printf n > "new/line
break"; printf b > "$(printf 'new/byte\\377')"; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("new/socket")'
  setfattr -h -n trusted.link -v l new/link-long; setfattr -n user.dir -v yes new/with; chmod 2775 new/with
  find new opaque -print0 | xargs -0 touch -h -d @1500000000.987654321; touch -d @-86400.5 new/hard; touch -d @1600000000.5 touched
`

async function prepareBase(side: ContainerdSide, snapshotter: string, script = BASE): Promise<void> {
  const snapshots = ['snapshots', '--snapshotter', snapshotter]
  await side.ok(...snapshots, 'prepare', 'base-active')
  await withMounted(side, snapshotter, 'base-active', (cwd) => must(['bash', '-ec', script], { cwd }))
  await side.ok(...snapshots, 'commit', 'base', 'base-active')
}

async function applyOver(side: ContainerdSide, snapshotter: string, layer: Buffer, parent = 'base'): Promise<string[]> {
  const { mounts } = await side.client.snapshots.prepare({ snapshotter, key: 'applied', parent })
  const { digest, size } = await storeBlob(side, layer)
  await side.client.diff.apply({ diff: { mediaType: GZIP, digest, size: BigInt(size) }, mounts })
  return withMounted(side, snapshotter, 'applied', (root) => describeTree(root, ['/new/socket']))
}

for (const snapshotter of SNAPSHOTTERS) {
  test(`${snapshotter}: a diff, applied, makes the same tree`, async () => {
    const { ours, original } = both
    const snapshots = ['snapshots', '--snapshotter', snapshotter]
    await prepareBase(ours, snapshotter)
    await ours.ok(...snapshots, 'prepare', 'work', 'base')
    await withMounted(ours, snapshotter, 'work', (cwd) => must(['bash', '-ec', CHANGES], { cwd }))
    const tree = await withMounted(ours, snapshotter, 'work', (root) => describeTree(root, ['/new/socket']))
    const made = await diffSnapshots(ours, snapshotter, 'base', 'work')
    const layer = await blobOf(ours, made.digest)
    const tar = gunzipSync(layer)
    const info = await ours.client.content.info({ digest: made.digest })
    assert.equal(info.info?.labels['containerd.io/uncompressed'], digestOf(tar))
    assert.equal(made.mediaType, GZIP)
    assert.equal(Number(made.size), layer.length)

    // The directory itself is the snapshotter's.
    assert.deepEqual((await applyOver(ours, snapshotter, layer)).slice(1), tree.slice(1))
    const { digest: again } = await diffSnapshots(ours, snapshotter, 'base', 'work')
    assert.equal(again, made.digest, 'the same trees, the same digest')
    const { digest: ofCopy } = await diffSnapshots(ours, snapshotter, 'base', 'applied')
    assert.deepEqual(
      entriesOf(gunzipSync(await blobOf(ours, ofCopy))).toSorted(),
      entriesOf(tar).toSorted(),
      'a diff of what the diff made',
    )

    // The original takes the base by our diff of it, then this layer.
    const base = await blobOf(ours, await diffOfBase(ours, snapshotter))
    await applyOver(original, snapshotter, base, '')
    await original.ok(...snapshots, 'commit', 'base', 'applied')
    const theirs = await applyOver(original, snapshotter, layer)
    assert.deepEqual(asTheOriginal(theirs), asTheOriginal(tree), 'applied by the original containerd')

    // And its own diff of that tree has the same entries.
    const { digest: theirDigest } = await diffSnapshots(original, snapshotter, 'base', 'applied')
    const theirEntries = entriesOf(gunzipSync(await blobOf(original, theirDigest)))
    assert.deepEqual(comparable(entriesOf(tar)), comparable(theirEntries))
    for (const side of [ours, original]) await removeAll(side, snapshotter)
  })
}

/**
 * The original makes no `trusted.` attributes and no time before 1970, and its native snapshotter copies a directory's time before it makes the
 * devices in it.
 */
function asTheOriginal(lines: string[]): string[] {
  return lines.slice(1).map((line) =>
    line
      .replace(/ trusted\.\S+/g, '')
      .replace(/ t-\d+/, ' t0')
      .replace(/^(\/dev 40755 0:0) t\d+/, '$1'),
  )
}

async function diffOfBase(side: ContainerdSide, snapshotter: string): Promise<string> {
  await side.client.snapshots.view({ snapshotter, key: 'whole', parent: 'base' })
  const { mounts } = await side.client.snapshots.mounts({ snapshotter, key: 'whole' })
  const { diff: made } = await side.client.diff.diff({ left: [], right: mounts })
  await side.client.snapshots.remove({ snapshotter, key: 'whole' })
  return made!.digest
}

/**
 * Where we differ from the original on purpose: a directory that was emptied is said to be opaque, and not each of its names deleted; a
 * directory of which only the time changed is in the layer; a file of which nothing changed in the end is not, hard link or not.
 */
function comparable(entries: string[]): string[] {
  return entries.filter((line) => !/^opaque\/(?:inner\/)?\.wh\.|^touched\/ /.test(line)).toSorted()
}

test('GNU tar makes the same tree of a diff', async () => {
  const { ours, directory } = both
  await prepareBase(ours, 'native')
  const tree = await viewOf(ours, 'native', 'base', (root) => describeTree(root))
  const tar = gunzipSync(await blobOf(ours, await diffOfBase(ours, 'native')))
  await must(['mkdir', `${directory}/tar`])
  const flags = ['--xattrs', '--xattrs-include=*', '--numeric-owner']
  await must(['tar', '-xp', ...flags, '-C', `${directory}/tar`], { input: tar })
  assert.deepEqual((await describeTree(`${directory}/tar`)).slice(1), tree.slice(1))
  await removeAll(ours, 'native')
})

async function viewOf<T>(
  side: ContainerdSide,
  snapshotter: string,
  parent: string,
  work: (root: string) => Promise<T>,
): Promise<T> {
  await side.client.snapshots.view({ snapshotter, key: 'looked-at', parent }) // held by the lease: ctr labels no view
  try {
    return await withMounted(side, snapshotter, 'looked-at', work)
  } finally {
    await side.ok('snapshots', '--snapshotter', snapshotter, 'rm', 'looked-at')
  }
}
