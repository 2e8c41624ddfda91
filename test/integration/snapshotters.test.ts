// Snapshotters as ctr and our tasks use them: copies that are as good as the tree, any number of layers, ids of a user namespace, requests that are none.
import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { connectContainerd } from '../../src/containerd/client/client.ts'
import { overlayCapabilities } from '../../src/containerd/snapshots/overlay-snapshotter.ts'
import { imageFile } from '../../src/image/make-image.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { chainIds } from '../../src/oci/parse-image-config.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { TreeThreads } from '../../src/containerd/trees/tree-threads.ts'
import { openMount } from '../../src/containerd/tasks/open-rootfs.ts'
import { eventually, must } from '../harness/command.ts'
import { tarOf } from '../harness/fake-registry.ts'
import { makeBusyboxTree } from '../harness/images.ts'
import { blobOf, collectNow, diffSnapshots, entriesOf, removeAll } from '../harness/layers.ts'
import { describeTree } from '../harness/tree.ts'
import { type OurContainerd, startOurContainerd, withMounted } from '../harness/two-containerds.ts'

const kernel = openNativeKernel()
/** Short: with 128 layers a page of mount options is soon full. */
const directory = mkdtempSync(join(tmpdir(), 's-'))
let ours: OurContainerd
before(async () => {
  ours = await startOurContainerd(join(directory, 'b'))
})
after(async () => {
  await ours[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

const SNAPSHOTTERS = ['overlayfs', 'native'] as const
const mounts = () => readFileSync('/proc/self/mounts', 'utf8')

test('a copy is as good as the tree, shares what can be shared, and never leaves it', async () => {
  const [from, to] = [join(directory, 'from'), join(directory, 'to')]
  const script = `
    mkdir -p from/d/e from/locked to; cd from; echo content > d/file; ln d/file d/hard; ln d/file hard2; ln -s /etc/passwd link; ln link link2
    truncate -s 64M sparse; printf a | dd of=sparse bs=1 seek=30000000 conv=notrunc status=none; printf 'end' >> sparse; head -c 5000000 /dev/urandom > large
    cp /bin/true suid; chown 7:8 suid; chmod 6755 suid; cp /bin/true capable; setcap cap_net_raw+ep capable; mkfifo fifo; mknod dev b 259 70000
    setfattr -n user.a -v b d; setfattr -n trusted.c -v d -h link; setfattr -n user.empty d/file; chmod 2775 d/e; chgrp 50 d/e; printf x > "$(printf 'b\\377yte')"
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
    python3 -c 'import os; os.setxattr("d", "system.posix_acl_default", bytes.fromhex("0200000001000700ffffffff04000500ffffffff20000000ffffffff"))'
    chown 100000:4294967294 hard2; chmod 000 locked; find . -print0 | xargs -0 touch -h -a -d @1111111111.5; find . -print0 | xargs -0 touch -h -m -d @1234567890.123456789
  `
  await must(['bash', '-ec', script], { cwd: directory })
  const before = mounts()
  const threads = new TreeThreads()
  try {
    await threads.copy({ kind: 'copy', from, to }, new AbortController().signal)
  } finally {
    await threads.close()
  }
  assert.equal(mounts(), before)
  assert.equal(lstatSync(join(to, 'd/file'), { bigint: true }).atimeNs, 1111111111500000000n)
  assert.deepEqual(await describeTree(to), await describeTree(from))
  assert.ok(lstatSync(join(to, 'socket')).isSocket())
  assert.equal(kernel.lgetxattr(join(to, 'd'), 'system.posix_acl_default')?.length, 28)
  const [whole, copy] = [statSync(join(from, 'sparse')).blocks, statSync(join(to, 'sparse')).blocks]
  assert.ok(copy <= whole + 64, `${copy} blocks of ${whole}`)
})

test('a copy that is called off ends, and so does one that fails', async () => {
  const [from, to] = [join(directory, 'many'), join(directory, 'called-off')]
  await must(['sh', '-ec', `mkdir -p ${from} ${to}; cd ${from}; seq 500 | xargs touch`])
  const threads = new TreeThreads(1)
  const leaving = new AbortController()
  const copying = threads.copy({ kind: 'copy', from, to }, leaving.signal)
  const waiting = threads.copy({ kind: 'copy', from, to }, leaving.signal)
  leaving.abort()
  await assert.rejects(copying, { code: 'cancelled' })
  await assert.rejects(waiting, { code: 'cancelled' })
  await assert.rejects(
    threads.copy({ kind: 'copy', from: '/not/there', to }, new AbortController().signal),
    /no such file/,
  )
  await threads.close()
})

for (const snapshotter of SNAPSHOTTERS)
  test(`${snapshotter}: ctr prepares, mounts, commits, views, lists, filters, measures and removes`, async () => {
    const snapshots = ['snapshots', '--snapshotter', snapshotter]
    await collectNow(ours) // ctr labels what it prepares, but not its views
    await ours.ok(...snapshots, 'prepare', 'a')
    await withMounted(ours, snapshotter, 'a', (cwd) =>
      must(['sh', '-c', 'echo one > file; head -c 1000000 /dev/zero > data'], { cwd }),
    )
    await ours.ok(...snapshots, 'commit', 'one', 'a')
    await ours.ok(...snapshots, 'label', 'one', 'k=v')
    await ours.ok(...snapshots, 'prepare', 'b', 'one')
    await withMounted(ours, snapshotter, 'b', (cwd) =>
      must(['sh', '-c', 'cat file; echo two > file; rm data'], { cwd }),
    )
    await ours.ok(...snapshots, 'view', 'v', 'one')
    assert.equal(await withMounted(ours, snapshotter, 'v', (cwd) => must(['cat', 'file'], { cwd })), 'one')
    await assert.rejects(
      withMounted(ours, snapshotter, 'v', (cwd) => must(['touch', 'no'], { cwd })),
      /Read-only file system/,
    )
    assert.equal(
      await withMounted(ours, snapshotter, 'b', (cwd) => must(['sh', '-c', 'cat file; ls'], { cwd })),
      'two\nfile',
    )
    assert.equal(await ours.ok(...snapshots, 'tree'), 'one\n  \\_ b\n  \\_ v')
    assert.match(await ours.ok(...snapshots, 'info', 'one'), /"k": "v"/)
    assert.match(await ours.ok(...snapshots, 'usage', 'one'), /one\s+9\d\d.*KiB\s+\d/)
    const found = []
    for await (const { info } of ours.client.snapshots.list({
      snapshotter,
      filters: ['kind==committed,labels.k==v', 'name==b'],
    }))
      found.push(...info.map(({ name }) => name))
    assert.deepEqual(found.toSorted(), ['b', 'one'])
    assert.match(
      (await ours.ctr([...snapshots, 'rm', 'one'])).stderr,
      /cannot remove snapshot with child: failed precondition/,
    )
    assert.match((await ours.ctr([...snapshots, 'prepare', 'b', 'one'])).stderr, /snapshot "b": already exists/)
    assert.match(
      (await ours.ctr([...snapshots, 'prepare', 'c', 'nope'])).stderr,
      /parent snapshot nope does not exist: not found/,
    )
    await removeAll(ours, snapshotter)
    const left = () => readdirSync(join(ours.directory, 'root', snapshotter, 'snapshots')).length === 0
    await eventually('the disk is free again', 5000, left)
  })

test('a name that no snapshotter has, and a target that is there already, in containerd’s words', async () => {
  const { snapshots } = ours.client
  assert.match(
    (await ours.ctr(['snapshots', '--snapshotter', 'zfs', 'ls'])).stderr,
    /snapshotter not loaded: zfs: invalid argument/,
  )
  await snapshots.prepare({ key: 'a' })
  await snapshots.commit({ key: 'a', name: 'sha256:target' })
  const labels = { 'containerd.io/snapshot.ref': 'sha256:target' }
  await assert.rejects(snapshots.prepare({ key: 'b', labels }), {
    code: 'already-exists',
    message: 'target snapshot "sha256:target": already exists',
  })
  await snapshots.prepare({ key: 'c', labels: { 'containerd.io/snapshot.ref': 'sha256:other' } })
  await removeAll(ours, 'overlayfs')
  const { plugins } = await ours.client.introspection.plugins({ filters: ['type==io.containerd.snapshotter.v1'] })
  assert.deepEqual(
    plugins.map(({ id, platforms, capabilities }) => [id, platforms[0]?.os, capabilities.includes('rebase')]),
    [
      ['overlayfs', 'linux', true],
      ['native', 'linux', false],
    ],
  )
})

test('a collection takes what nobody keeps, of each snapshotter', async () => {
  const { snapshots } = ours.client
  const nobody = connectContainerd({ address: join(ours.directory, 'c.sock'), namespace: 'default' })
  const names = async (snapshotter: string) => {
    const found: string[] = []
    for await (const { info } of snapshots.list({ snapshotter })) found.push(...info.map(({ name }) => name))
    return found.toSorted()
  }
  for (const snapshotter of SNAPSHOTTERS) {
    await snapshots.prepare({ snapshotter, key: 'base-key' })
    await snapshots.commit({ snapshotter, key: 'base-key', name: 'base' })
    await snapshots.prepare({ snapshotter, key: 'kept', parent: 'base' })
    const root = { 'containerd.io/gc.root': 'now' }
    await nobody.snapshots.prepare({ snapshotter, key: 'root', parent: 'base', labels: root })
    await nobody.snapshots.prepare({ snapshotter, key: 'nobodys', parent: 'base' })
  }
  nobody.close()
  await collectNow(ours)
  for (const snapshotter of SNAPSHOTTERS) {
    assert.deepEqual(await names(snapshotter), ['base', 'kept', 'root'], snapshotter)
    await removeAll(ours, snapshotter)
  }
})

test('a kill in the middle of a copy leaves no snapshot, no directory and no mount', async () => {
  const snapshots = ['snapshots', '--snapshotter', 'native']
  await ours.ok(...snapshots, 'prepare', 'a')
  await withMounted(ours, 'native', 'a', (cwd) => must(['sh', '-c', 'seq 3000 | xargs touch'], { cwd }))
  await ours.ok(...snapshots, 'commit', 'one', 'a')
  const root = join(ours.directory, 'root/native/snapshots')
  const before = mounts()
  const making = ours.ctr([...snapshots, 'prepare', 'b', 'one'])
  await eventually('the copy has begun', 5000, () =>
    readdirSync(root).some((id) => existsSync(join(root, id, 'fs/1')) && id !== '1'),
  )
  await ours.stop('SIGKILL')
  await making
  assert.equal(mounts(), before)
  await ours.start()
  const names = (await ours.ok(...snapshots, 'ls')).split('\n').slice(1)
  const wanted = names.some((line) => line.startsWith('b ')) ? 2 : 1 // it may have been done by then
  await eventually('what was half made is gone', 5000, () => readdirSync(root).length === wanted)
  await removeAll(ours, 'native')
})

/** Each layer has a file of its own, and takes the one of two layers below away. They are made side by side, and put in order at their commits. */
async function stack(from: number, to: number): Promise<void> {
  const { snapshots } = ours.client
  const layers = Array.from({ length: to - from }, (_, index) => from + index)
  await Promise.all(
    layers.map(async (layer) => {
      const { mounts: made } = await snapshots.prepare({ key: `key-${layer}` })
      const upper = made[0]?.source ?? ''
      writeFileSync(join(upper, `f${layer}`), String(layer))
      if (layer > 1) kernel.mknod(join(upper, `f${layer - 2}`), 0o20000, { major: 0, minor: 0 })
    }),
  )
  for (const layer of layers) {
    const parent = layer === 0 ? '' : `layer-${layer - 1}`
    await snapshots.commit({ key: `key-${layer}`, name: `layer-${layer}`, parent })
  }
}

function optionOf(options: readonly string[], key: string): string | undefined {
  return options.find((option) => option.startsWith(`${key}=`))?.slice(key.length + 1)
}

/** As the task service opens a root file system. */
async function openedByOurTasks<T>(key: string, work: (root: string) => T): Promise<T> {
  const {
    mounts: [mount],
  } = await ours.client.snapshots.mounts({ key })
  const fd = openMount(kernel, { ...mount!, target: '' })
  try {
    return work(`/proc/self/fd/${fd}`)
  } finally {
    kernel.close(fd)
  }
}

/** As containerd's Go clients mount a long list: from the directory that all layers share, by names relative to it. */
async function withMountedByGo<T>(key: string, work: (root: string) => T): Promise<T> {
  const {
    mounts: [mount],
  } = await ours.client.snapshots.mounts({ key })
  const lowers = optionOf(mount!.options, 'lowerdir')!.split(':')
  const shared = dirname(lowers[0]!)
  assert.ok(lowers.every((path) => dirname(path) === shared))
  const others = mount!.options.filter((option) => !option.startsWith('lowerdir='))
  const options = [...others, `lowerdir=${lowers.map((path) => basename(path)).join(':')}`].join(',')
  assert.ok(options.length < 4096, `${options.length} bytes`)
  const target = join(directory, 'by-go')
  mkdirSync(target, { recursive: true })
  await must(['mount', '-t', 'overlay', 'overlay', target, '-o', options], { cwd: shared })
  try {
    return work(target)
  } finally {
    await must(['umount', target])
  }
}

test('an image of 128 layers is imported, mounted and run by ctr', async () => {
  const image = join(directory, 'image')
  await makeBusyboxTree(join(image, 'rootfs'))
  await must(['tar', '-C', join(image, 'rootfs'), '--numeric-owner', '-cf', join(image, 'l0.tar'), '.'])
  for (let layer = 1; layer < 128; layer++)
    writeFileSync(join(image, `l${layer}.tar`), await tarOf([imageFile(`f${layer}`, { content: String(layer) })]))
  const layers = Array.from({ length: 128 }, (_, layer) => `l${layer}.tar`)
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: layers.map((name) => digestOf(readFileSync(join(image, name)))) },
  }
  writeFileSync(join(image, 'config.json'), JSON.stringify(config))
  const manifest = [{ Config: 'config.json', RepoTags: ['docker.io/library/deep:1'], Layers: layers }]
  writeFileSync(join(image, 'manifest.json'), JSON.stringify(manifest))
  await must(['tar', '-C', image, '-cf', join(directory, 'image.tar'), 'manifest.json', 'config.json', ...layers])
  await ours.ok('images', 'import', join(directory, 'image.tar'))
  const { snapshots } = ours.client
  const tops: string[] = []
  for await (const { info } of snapshots.list({ filters: ['kind==committed'] }))
    tops.push(...info.map(({ name }) => name))
  const top = chainIds(config.rootfs.diff_ids).at(-1) ?? ''
  assert.ok(tops.includes(top))
  await ours.ok('snapshots', 'prepare', 'top', top)
  const read = async (root: string) => readFileSync(join(root, 'f1'), 'utf8') + readFileSync(join(root, 'f127'), 'utf8')
  assert.equal(await withMounted(ours, 'overlayfs', 'top', read), '1127')
  const run = ['run', '--rm', 'docker.io/library/deep:1', 'deep', 'sh', '-c', 'cat /f1 /f64 /f127']
  assert.equal(await ours.ok(...run), '164127')
  await ours.ok('images', 'rm', '--sync', 'docker.io/library/deep:1')
  await removeAll(ours, 'overlayfs')
})

test('a snapshot for a user namespace shows its owners there, for a bind and for layers', async (t) => {
  if (!overlayCapabilities().includes('remap-ids')) return t.skip('this kernel cannot map the layers of an overlay')
  const labels = {
    'containerd.io/snapshot/uidmapping': '0:100000:65536',
    'containerd.io/snapshot/gidmapping': '0:200000:65536',
  }
  const { snapshots } = ours.client
  const {
    mounts: [lower],
  } = await snapshots.prepare({ key: 'lower' })
  writeFileSync(join(lower!.source, 'root'), 'x')
  await must(['sh', '-c', 'touch user; chown 5:6 user'], { cwd: lower!.source })
  await snapshots.commit({ key: 'lower', name: 'base' })
  await snapshots.prepare({ key: 'second', parent: 'base' })
  await snapshots.commit({ key: 'second', name: 'two' })
  const ownersIn = (root: string) =>
    ['.', 'root', 'user'].map((name) => statSync(join(root, name))).map(({ uid, gid }) => `${uid}:${gid}`)
  for (const parent of ['base', 'two']) {
    await snapshots.prepare({ key: `mapped-${parent}`, parent, labels })
    const owners = await openedByOurTasks(`mapped-${parent}`, ownersIn)
    assert.deepEqual(owners, ['100000:200000', '100000:200000', '100005:200006'], parent)
  }
  await snapshots.view({ key: 'view', parent: 'base', labels })
  assert.deepEqual((await openedByOurTasks('view', ownersIn)).slice(1), ['100000:200000', '100005:200006'])
  await removeAll(ours, 'overlayfs')
})

// The last one: what it leaves goes with the daemon's directory.
test('as many layers as overlayfs takes are mounted by mount(8), by Go clients and by our tasks', async () => {
  await stack(0, 128)
  await ours.ok('snapshots', 'prepare', 'over-128', 'layer-127')
  assert.deepEqual(await withMounted(ours, 'overlayfs', 'over-128', async (cwd) => readdirSync(cwd)), ['f126', 'f127'])
  assert.deepEqual(await openedByOurTasks('over-128', (root) => readdirSync(root)), ['f126', 'f127'])
  await stack(128, 499)
  await ours.ok('snapshots', 'prepare', 'over-all', 'layer-498')
  for (const open of [openedByOurTasks, withMountedByGo])
    assert.deepEqual(await open('over-all', (root) => readdirSync(root)), ['f497', 'f498'])

  // And what is written over them is a layer of one file.
  await openedByOurTasks('over-all', (root) => writeFileSync(join(root, 'new'), 'x'))
  const made = await diffSnapshots(ours, 'overlayfs', 'layer-498', 'over-all', {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
  })
  assert.deepEqual(entriesOf(await blobOf(ours, made.digest)), ['new file 644 0:0  1 '])
})
