// Steps that make and enter namespaces, in berth-init with real processes: two stages, id maps, idmapped mounts, clocks, roots.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, constants, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { O_PATH } from '../../src/linux/constants.ts'
import { type Step, SYNC } from '../../src/linux/steps.ts'
import { InitBench, type InitRun, MESSAGE } from './init-bench.ts'
import { isAlive, until } from './shim-bench.ts'

const CLONE_NEWTIME = 0x80
const CLONE_NEWNS = 0x20000
const CLONE_NEWUTS = 0x4000000
const CLONE_NEWUSER = 0x10000000
const CLONE_NEWPID = 0x20000000
const MS_REC_PRIVATE = 0x4000 | 0x40000
const MOUNT_ATTR_IDMAP = 0x100000n
const SIGKILL = 9
const EINVAL = 22
const ENOTDIR = 20
const O_DIRECTORY = constants.O_DIRECTORY
const IDENTITY: Step = { op: 'sync', point: SYNC.identity }
const PRIVATE: Step = { op: 'propagation', path: '/', flags: MS_REC_PRIVATE }
const ROOT_IDS: Step = { op: 'set-ids', uid: 0, gid: 0, groups: [0] }

const bench = new InitBench()
test.after(() => bench.dispose())

function mapIds(pid: number, map: string): void {
  writeFileSync(`/proc/${pid}/uid_map`, map)
  writeFileSync(`/proc/${pid}/gid_map`, map)
}

/** Runs up to the sync point after `clone`, and gives the pids of both stages. */
async function secondStage(run: InitRun): Promise<{ first: number; second: number }> {
  const first = (await run.until(MESSAGE.cloned)).step
  const second = (await run.until(MESSAGE.cloned)).step
  return { first, second }
}

test('a process clones itself into a user namespace, is told of before it says anything, and waits for its id maps', async () => {
  const steps: Step[] = [
    { op: 'clone', flags: CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS },
    IDENTITY,
    ROOT_IDS,
    { op: 'sethostname', name: 'second' },
    ...InitBench.shell('id -u; hostname; echo $$; cat /proc/self/uid_map; stat -c %u /etc'),
  ]
  const run = await bench.run(steps)
  const { first, second } = await secondStage(run)
  const sync = await run.until(MESSAGE.sync)
  assert.deepEqual([sync.step, sync.error], [SYNC.identity, 0])
  assert.notEqual(first, second)
  assert.match(readFileSync(`/proc/${second}/status`, 'latin1'), new RegExp(`PPid:\\t${process.pid}\n`))
  mapIds(second, '0 100000 1000')
  run.proceed()
  const { status, output } = await run.end()
  assert.equal(status, 0)
  assert.deepEqual(output.trim().split(/\s+/), ['0', 'second', '1', '0', '100000', '1000', '65534'])
})

test('a second stage that gets no word ends, and one that is killed leaves nothing', async () => {
  const steps: Step[] = [{ op: 'clone', flags: CLONE_NEWUSER }, IDENTITY, ...InitBench.shell('echo never')]
  const given = await bench.run(steps)
  await given.until(MESSAGE.sync)
  given.say('no')
  assert.deepEqual((await given.end()).output, '')
  const killed = await bench.run(steps)
  await killed.until(MESSAGE.sync)
  killed.signal(SIGKILL)
  await killed.drain()
  await killed.reap()
  assert.equal(isAlive(killed.pid), false)
})

test('a clone that the kernel refuses is a failed step', async () => {
  const run = await bench.run([{ op: 'clone', flags: CLONE_NEWUSER | 0x200 }, ...InitBench.shell('true')]) // CLONE_FS
  assert.deepEqual(await run.failure(), [0, EINVAL])
  await run.reap()
})

test('a clock of its own: offsets between unshare and clone', async () => {
  const seconds = 1_000_000
  const steps: Step[] = [
    { op: 'unshare', kinds: CLONE_NEWTIME },
    { op: 'write-file', path: '/proc/self/timens_offsets', data: `boottime ${seconds} 0\nmonotonic ${seconds} 0\n` },
    { op: 'clone', flags: 0 },
    ...InitBench.shell('cat /proc/uptime; readlink /proc/self/ns/time'),
  ]
  const before = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0])
  const { output } = await (await bench.run(steps)).end()
  const [uptime = '', namespace] = output.trim().split('\n')
  assert.ok(Number(uptime.split(' ')[0]) >= before + seconds, output)
  assert.notEqual(namespace, execFileSync('readlink', ['/proc/self/ns/time']).toString().trim())
})

test('a file system whose owners are others: a detached clone with a user namespace made for it', async () => {
  const tree = bench.path('tree')
  mkdirSync(tree)
  writeFileSync(join(tree, 'roots'), '')
  writeFileSync(join(tree, 'other'), '')
  chownSync(join(tree, 'other'), 5, 6)
  const target = bench.path('target')
  mkdirSync(target)
  const steps: Step[] = [
    PRIVATE,
    { op: 'make-user-namespace', slot: 4, uidMap: '0 70000 100', gidMap: '0 80000 100' },
    { op: 'open-tree', slot: 5, path: tree, recursive: false },
    { op: 'mount-setattr', slot: 5, set: MOUNT_ATTR_IDMAP, clear: 0n, propagation: 0n, recursive: false, userns: 4 },
    { op: 'move-mount-to-path', from: 5, path: target },
    ...InitBench.shell(`stat -c %u:%g ${target}/roots ${target}/other; touch ${target}/new 2>&1 | grep -c large`),
  ]
  const children = childrenOf(process.pid)
  // In a PID namespace too the host's procfs is in sight, in which the holder of the namespace has another number.
  for (const cloneFlags of [CLONE_NEWNS, CLONE_NEWNS | CLONE_NEWPID]) {
    const { output } = await (await bench.run(steps, { cloneFlags })).end()
    assert.equal(output, '70000:80000\n70005:80006\n1\n')
  }
  assert.equal(statSync(join(tree, 'roots')).uid, 0)
  assert.deepEqual(childrenOf(process.pid), children)
})

test('id maps that the kernel refuses fail the step, and nobody holds the namespace', async () => {
  for (const map of ['nonsense', '0 0 0', '0 0 1\n0 5 1']) {
    const run = await bench.run([{ op: 'make-user-namespace', slot: 4, uidMap: map, gidMap: '0 0 1' }])
    assert.deepEqual(await run.failure(), [0, EINVAL], map)
    await run.reap()
  }
  const run = await bench.run([
    { op: 'make-user-namespace', slot: 4, uidMap: '0 1 2', gidMap: '0 1 2' },
    ...InitBench.shell('sleep 1000'),
  ])
  await run.drain()
  assert.deepEqual(childrenOf(run.pid), [])
})

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean)
}

test('without a mount namespace the root is changed by chroot', async () => {
  const steps: Step[] = [
    { op: 'open-host', slot: 1, path: bench.rootfs, flags: O_PATH | O_DIRECTORY },
    { op: 'chroot', root: 1 },
    { op: 'chdir', path: '/' },
    ...InitBench.shell('pwd; ls /; ls /..'),
  ]
  const { output } = await (await bench.run(steps)).end()
  assert.equal(output, `/\n${'bin\ndev\nmnt\nproc\nroot\ntmp\n'.repeat(2)}`)
  const file = bench.path('file')
  writeFileSync(file, '')
  const wrong = await bench.run([
    { op: 'open-host', slot: 1, path: file, flags: O_PATH },
    { op: 'chroot', root: 1 },
  ])
  assert.deepEqual(await wrong.failure(), [1, ENOTDIR])
  await wrong.reap()
})

test('a root that is moved over the old one leaves no other procfs and sysfs in reach', async () => {
  const odd = bench.path('a place with spaces')
  mkdirSync(odd)
  const steps: Step[] = [
    PRIVATE,
    // Files of the kernel at a second place, whose name is escaped in mountinfo.
    { op: 'fs-mount', slot: 2, fstype: 'proc', options: [], attributes: 0 },
    { op: 'move-mount-to-path', from: 2, path: odd },
    { op: 'open-tree', slot: 1, path: bench.rootfs, recursive: false },
    { op: 'move-mount-to-path', from: 1, path: bench.rootfs },
    { op: 'open-host', slot: 1, path: bench.rootfs, flags: O_PATH | O_DIRECTORY },
    { op: 'fs-mount', slot: 2, fstype: 'proc', options: [], attributes: 0 },
    { op: 'open-in-root', slot: 3, root: 1, path: '/proc', flags: O_PATH | O_DIRECTORY },
    { op: 'move-mount', from: 2, to: 3 },
    { op: 'move-root', root: 1 },
    { op: 'chdir', path: '/' },
    ...InitBench.shell(
      'ls / | tr "\\n" " "; echo; grep -cE "(proc|sysfs) (proc|sysfs)|- (proc|sysfs) " /proc/self/mountinfo; echo $$',
    ),
  ]
  const run = await bench.run(steps, { cloneFlags: CLONE_NEWNS | CLONE_NEWPID })
  assert.equal((await run.end()).output, 'bin dev mnt proc root tmp \n1\n1\n')
  // The same without the step, to know that the host has more.
  assert.ok((readFileSync('/proc/self/mountinfo', 'latin1').match(/- (proc|sysfs) /g) ?? []).length >= 2)
})

test('a file in a procfs is written through its link to the process itself, and no link leads out', async () => {
  const outside = bench.path('outside')
  writeFileSync(outside, '')
  const directory = bench.path('directory')
  mkdirSync(directory)
  execFileSync('ln', ['-s', outside, join(directory, 'absolute')])
  execFileSync('ln', ['-s', '../outside', join(directory, 'relative')])
  const open: Step = { op: 'open-host', slot: 6, path: directory, flags: O_PATH | O_DIRECTORY }
  const steps: Step[] = [
    { op: 'fs-mount', slot: 5, fstype: 'proc', options: [], attributes: 0 },
    { op: 'write-file', dir: 5, path: 'self/oom_score_adj', data: '321' },
    ...InitBench.shell('cat /proc/self/oom_score_adj'),
  ]
  assert.equal((await (await bench.run(steps)).end()).output, '321\n')
  const table: [string, Step, number][] = [
    ['absolute', { op: 'write-file', dir: 6, path: 'absolute', data: 'x' }, 18],
    ['relative', { op: 'write-file', dir: 6, path: 'relative', data: 'x' }, 18],
    ['upwards', { op: 'write-file', dir: 6, path: '../outside', data: 'x' }, 18],
  ]
  for (const [name, step, errno] of table) {
    const run = await bench.run([open, step])
    assert.deepEqual(await run.failure(), [1, errno], name)
    await run.reap()
  }
  const magic = await bench.run([
    { op: 'fs-mount', slot: 5, fstype: 'proc', options: [], attributes: 0 },
    { op: 'write-file', dir: 5, path: 'self/root/etc/passwd', data: 'x' },
  ])
  assert.deepEqual(await magic.failure(), [1, 40])
  await magic.reap()
  assert.equal(readFileSync(outside, 'latin1'), '')
})

test('a tree is copied as it is: owners, modes, times, links, nodes, holes, attributes', async () => {
  const source = bench.path('source')
  makeTree(source)
  const listed = listTree(source)
  const steps: Step[] = [
    PRIVATE,
    { op: 'open-host', slot: 1, path: source, flags: O_PATH | O_DIRECTORY },
    { op: 'fs-mount', slot: 2, fstype: 'tmpfs', options: [['size', '1m']], attributes: 0 },
    { op: 'copy-tree', from: 1, to: 2 },
    { op: 'move-mount-to-path', from: 2, path: source },
    { op: 'chdir', path: source },
    ...InitBench.shell('sleep 1000'),
  ]
  const run = await bench.run(steps, { cloneFlags: CLONE_NEWNS })
  await run.drain()
  await until('it sleeps', () => readFileSync(`/proc/${run.pid}/comm`, 'latin1') !== 'berth-init\n')
  const copy = `/proc/${run.pid}/cwd/.`
  assert.notEqual(statSync(copy).dev, statSync(source).dev)
  assert.equal(listTree(copy), listed)
  assert.match(listed, /user.note="kept"/)
  assert.match(listed, /cap_net_raw/)
  assert.ok(statSync(join(copy, 'holes')).blocks * 512 < 64 << 10) // ten times the tmpfs
  assert.equal(statSync(join(copy, 'one')).ino, statSync(join(copy, 'sub/two')).ino)
  assert.equal(readFileSync(join(copy, 'sub/deep/file'), 'latin1'), 'x'.repeat(300_000))
})

function makeTree(top: string): void {
  mkdirSync(join(top, 'sub/deep'), { recursive: true })
  writeFileSync(join(top, 'sub/deep/file'), 'x'.repeat(300_000))
  writeFileSync(join(top, 'one'), 'linked')
  const script = `cd '${top}' && ln one sub/two && ln -s /etc/passwd absolute && ln -s nowhere dangling && mkfifo fifo && mknod node c 1 3 &&
    truncate -s 10M holes && printf end >>holes && setfattr -n user.note -v kept one && setcap cap_net_raw+ep sub/deep/file && : >empty &&
    mknod socket p && chmod 6755 empty && chown 7:8 empty fifo && chown -h 9:10 absolute && chmod 1777 sub && chown 11:12 sub/deep`
  execFileSync('bash', ['-c', script])
  chmodSync(join(top, 'sub/deep'), 0o2750)
  execFileSync('bash', [
    '-c',
    `cd '${top}' && find . -mindepth 1 -depth -exec touch -h -d '2001-02-03 04:05:06.789' {} +`,
  ])
}

/** All that can be seen of a tree from outside, but for block and inode numbers. */
function listTree(top: string): string {
  const script = `cd '${top}' && find . -mindepth 1 -printf '%P %y %m %U:%G %s %T@ %l %n\\n' | grep -v ' d ' | sort; find . -mindepth 1 -type d -printf '%P %m %U:%G %T@\\n' | sort;
    find . -mindepth 1 -name node -exec stat -c %t:%T {} +; getfattr -h -d -m - -R . 2>/dev/null | grep = | sort; getcap -r . | sort; find . -type f | sort | xargs sha256sum`
  return execFileSync('bash', ['-c', script]).toString()
}

test('a tree that is too deep, or goes on in itself, is no endless copy', async () => {
  const deep = bench.path('deep')
  mkdirSync(join(deep, 'd/'.repeat(120)), { recursive: true })
  const run = await bench.run([
    { op: 'open-host', slot: 1, path: deep, flags: O_PATH | O_DIRECTORY },
    { op: 'fs-mount', slot: 2, fstype: 'tmpfs', options: [], attributes: 0 },
    { op: 'copy-tree', from: 1, to: 2 },
  ])
  assert.deepEqual(await run.failure(), [2, 40])
  await run.reap()
  const full = bench.path('full')
  mkdirSync(full)
  writeFileSync(join(full, 'big'), 'x'.repeat(1 << 20))
  const small = await bench.run([
    { op: 'open-host', slot: 1, path: full, flags: O_PATH | O_DIRECTORY },
    { op: 'fs-mount', slot: 2, fstype: 'tmpfs', options: [['size', '64k']], attributes: 0 },
    { op: 'copy-tree', from: 1, to: 2 },
  ])
  assert.deepEqual(await small.failure(), [2, 28])
  await small.reap()
})

test('options of a mounted file system are changed in place', async () => {
  const directory = bench.path('changed')
  mkdirSync(directory)
  const steps: Step[] = [
    PRIVATE,
    { op: 'fs-mount', slot: 1, fstype: 'tmpfs', options: [['size', '64k']], attributes: 0 },
    {
      op: 'reconfigure',
      slot: 1,
      options: [
        ['size', '128k'],
        ['ro', undefined],
      ],
    },
    { op: 'move-mount-to-path', from: 1, path: directory },
    ...InitBench.shell(`grep ${directory} /proc/self/mountinfo; touch ${directory}/x 2>&1 | grep -c Read-only`),
  ]
  const { output } = await (await bench.run(steps, { cloneFlags: CLONE_NEWNS })).end()
  assert.match(output, /tmpfs .*ro.*size=128k.*\n1\n$/)
  const wrong = await bench.run([
    { op: 'fs-mount', slot: 1, fstype: 'tmpfs', options: [], attributes: 0 },
    { op: 'reconfigure', slot: 1, options: [['nonsense', '1']] },
  ])
  assert.deepEqual(await wrong.failure(), [1, EINVAL])
  await wrong.reap()
  assert.deepEqual(readdirSync(directory), [])
})
