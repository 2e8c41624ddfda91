// Plans for an OCI runtime's caller, run for real: the plain bundle, mounts of every kind, hooks, scheduling, no mount namespace.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { MNT_DETACH, MS_SHARED } from '../../src/linux/constants.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { SYNC } from '../../src/linux/steps.ts'
import type { MountSpec, RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { makeBusyboxTree } from '../harness/images.ts'
import { MAPPED_ROOT, MAPPINGS, PlanBench, plainSpec } from './plan-bench.ts'

const kernel = openNativeKernel()
const bench = new PlanBench()
const rootfs = bench.join('image')
const writable = bench.join('writable')
const mounted: string[] = []

before(async () => {
  await makeBusyboxTree(rootfs)
  await makeBusyboxTree(writable)
})

after(() => {
  for (const path of mounted.reverse()) kernel.umount(path, MNT_DETACH)
  bench.dispose()
})

function mountTmpfs(name: string, options = ''): string {
  const path = bench.directoryOf(name)
  execFileSync('mount', ['-t', 'tmpfs', ...(options === '' ? [] : ['-o', options]), 'tmpfs', path])
  mounted.push(path)
  return path
}

/** The line of mountinfo for a mount point. */
async function mountLine(mount: MountSpec, edit: (spec: RuntimeSpec) => void = () => {}): Promise<string> {
  const spec = plainSpec('cat /proc/self/mountinfo')
  spec.mounts!.push(mount)
  edit(spec)
  const text = await bench.output(spec, { rootfs })
  return text.split('\n').find((line) => line.split(' ')[4] === mount.destination) ?? text
}

test('a bundle as `runc spec` makes it: root, mounts, names, masks, limits', async () => {
  const script = [
    'cat /proc/self/mountinfo /proc/self/status; hostname; ulimit -n; ls /proc | grep -c "^[0-9]"',
    'touch /x || echo sealed; echo 1 > /proc/sys/vm/drop_caches || echo guarded; cat /proc/keys | wc -c; ls -la /dev; pwd',
  ].join('\n')
  const text = await bench.output(plainSpec(`exec 2>&1; ${script}`), { rootfs })
  for (const pattern of [
    / \/ ro,relatime - /,
    / \/proc rw,relatime - proc /,
    / \/sys ro,nosuid,nodev,noexec,relatime - sysfs /,
    / \/proc\/sys ro,relatime - proc /,
    / \/dev\/mqueue rw,nosuid,nodev,noexec,relatime - mqueue /,
    /^CapEff:\t0000000020000420$/m,
    /^NoNewPrivs:\t1$/m,
    /^plan\n1024$/m,
    /^sealed$/m,
    /^guarded\n/m,
    /null$/m,
  ])
    assert.match(text, pattern)
  assert.ok(!text.includes('shared:') && !text.includes('master:'), text)
})

test('FIFO, channel and preserved descriptors: what a caller asks for', async () => {
  const spec = plainSpec('cat <&3; ls /proc/self/fd | wc -l')
  const path = bench.path('kept')
  writeFileSync(path, 'kept\n')
  const fd = openSync(path, 'r')
  try {
    const launch = { preservedDescriptors: 1 }
    assert.equal(await bench.output(spec, { rootfs, launch, init: { preserved: [fd] } }), 'kept\n5\n')
  } finally {
    closeSync(fd)
  }
})

test('options of a bind mount: with none it is like its source, with any it has those alone', async () => {
  const source = mountTmpfs('flags', 'nosuid,nodev,noexec,noatime')
  const flagsOf = async (...options: string[]) => {
    const line = await mountLine({ destination: '/mnt', source, options })
    return line.split(' ')[5]
  }
  assert.equal(await flagsOf('bind'), 'rw,nosuid,nodev,noexec,noatime')
  assert.equal(await flagsOf('bind', 'ro'), 'ro,noatime')
  assert.equal(await flagsOf('bind', 'rw', 'nodev', 'relatime'), 'rw,nodev,relatime')
  assert.equal(await flagsOf('bind', 'nodiratime'), 'rw,nodiratime,relatime')
  assert.equal(await flagsOf('bind', 'strictatime', 'nosymfollow'), 'rw,nosymfollow')
})

test('an option with r in front reaches what is mounted below', async () => {
  const source = mountTmpfs('tree')
  mkdirSync(join(source, 'below'))
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(source, 'below')])
  const spec = plainSpec('touch /mnt/x || echo one; touch /mnt/below/x || echo two')
  spec.mounts!.push({ destination: '/mnt', source, options: ['rbind', 'rro'] })
  assert.equal((await bench.output(spec, { rootfs })).match(/^(one|two)$/gm)?.join(), 'one,two')
  spec.mounts!.at(-1)!.options = ['rbind', 'rro', 'nosuid', 'rw']
  assert.equal((await bench.output(spec, { rootfs })).match(/^(one|two)$/gm)?.join(), 'one,two')
  spec.mounts!.at(-1)!.options = ['rbind', 'ro']
  assert.equal((await bench.output(spec, { rootfs })).match(/^(one|two)$/gm)?.join(), 'one')
})

test('propagation: with the host where the root is shared, and never without', async () => {
  const source = mountTmpfs('shared')
  kernel.mount(undefined, source, undefined, MS_SHARED)
  const propagationOf = async (options: string[], rootfsPropagation?: string) => {
    const line = await mountLine({ destination: '/mnt', source, options }, (spec) => {
      if (rootfsPropagation !== undefined) spec.linux!.rootfsPropagation = rootfsPropagation
    })
    return line.replace(/ - .*/, '').split(' ').slice(6).join(' ').replace(/\d+/g, 'n')
  }
  assert.equal(await propagationOf(['rbind', 'rshared'], 'shared'), 'shared:n')
  assert.equal(await propagationOf(['rbind'], 'rshared'), 'shared:n')
  assert.equal(await propagationOf(['rbind', 'rshared']), 'shared:n master:n')
  assert.equal(await propagationOf(['rbind', 'rslave'], 'shared'), 'master:n')
  assert.equal(await propagationOf(['rbind']), 'master:n')
  assert.equal(await propagationOf(['rbind', 'rprivate']), '')
  assert.equal(await propagationOf(['rbind'], 'private'), '')
  const hostId = /shared:(\d+)/.exec(
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .find((line) => line.split(' ')[4] === source) ?? '',
  )?.[1]
  const line = await mountLine({ destination: '/mnt', source, options: ['rbind', 'rshared'] }, (spec) => {
    spec.linux!.rootfsPropagation = 'rshared'
  })
  assert.ok(line.includes(`shared:${hostId} `), `${line} is not a peer of ${hostId}`)
})

test('the root itself: each of the eight propagations', async () => {
  const rootLine = async (rootfsPropagation: string) => {
    const line = await mountLine({ destination: '/', type: 'proc' }, (spec) => {
      spec.mounts!.pop()
      Object.assign(spec.linux!, { rootfsPropagation })
    })
    return line.replace(/ - .*/, '').split(' ').slice(6).join(' ').replace(/\d+/g, 'n')
  }
  for (const [name, wanted] of [
    ['shared', 'shared:n'],
    ['rshared', 'shared:n'],
    ['unbindable', 'unbindable'],
    ['runbindable', 'unbindable'],
    ['private', ''],
    ['rprivate', ''],
    ['slave', ''], // of nobody: the host's mount is private here
    ['rslave', ''],
  ] as const)
    assert.equal(await rootLine(name), wanted, name)
})

test('a tmpfs: mode of what it covers, its content on demand, read-only at the end', async () => {
  mkdirSync(join(writable, 'full/deep'), { recursive: true })
  writeFileSync(join(writable, 'full/deep/file'), 'content')
  symlinkSync('deep/file', join(writable, 'full/link'))
  chmodSync(join(writable, 'full'), 0o710)
  const spec = plainSpec(
    'stat -c %a /full; cat /full/link; readlink /full/link; touch /full/x || echo read-only; echo x > /full/deep/file',
  )
  const options = ['tmpcopyup', 'ro', 'size=1m']
  spec.mounts!.push({ destination: '/full', type: 'tmpfs', source: 'tmpfs', options })
  const text = await bench.output(spec, { rootfs: writable })
  assert.match(text, /^710\ncontentdeep\/file\n/)
  assert.match(text, /^read-only$/m)
  assert.equal(readFileSync(join(writable, 'full/deep/file'), 'utf8'), 'content')
})

test('a read-only /dev has everything in it', async () => {
  const spec = plainSpec('ls /dev/null /dev/fd /dev/pts/ptmx; touch /dev/x || echo sealed')
  spec.mounts!.find(({ destination }) => destination === '/dev')!.options!.push('ro')
  assert.match(await bench.output(spec, { rootfs }), /\/dev\/null\n.*sealed/s)
})

test('a remount changes what is mounted already', async () => {
  const remounted = async (...options: string[]) =>
    await mountLine({ destination: '/tmp', type: 'tmpfs', options: ['remount', ...options] }, ({ mounts }) => {
      const remount = mounts!.pop()!
      mounts!.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'sync'] }, remount)
    })
  assert.match(await remounted('ro', 'noexec', 'size=2m'), / ro,noexec,relatime - tmpfs tmpfs ro,size=2048k/)
  assert.match(await remounted('bind', 'ro'), / ro,relatime - tmpfs tmpfs rw,sync/)
})

test('ids of a mount are mapped, without a user namespace of the container', async () => {
  const source = mountTmpfs('ids')
  writeFileSync(join(source, 'file'), '')
  const spec = plainSpec('stat -c %u:%g /mnt/file')
  spec.mounts!.push({ destination: '/mnt', source, options: ['bind'], uidMappings: MAPPINGS, gidMappings: MAPPINGS })
  assert.equal(await bench.output(spec, { rootfs }), `${MAPPED_ROOT}:${MAPPED_ROOT}\n`)
})

test('sources in the root file system are found as the mounts before have left them', async () => {
  const [one, two] = [bench.directoryOf('one'), bench.directoryOf('two')]
  mkdirSync(join(one, 'inner'))
  writeFileSync(join(two, 'file'), 'two\n')
  const spec = plainSpec('cat /final/inner/file')
  spec.mounts!.push(
    { destination: '/mnt', source: one, options: ['bind'] },
    { destination: `${writable}/mnt/inner`, source: two, options: ['bind'] },
    { destination: '/final', source: join(writable, 'mnt'), options: ['rbind'] },
  )
  assert.equal(await bench.output(spec, { rootfs: writable }), 'two\n')
})

test('hooks: the spawner is asked, those in the container get the state, a failure has its name', async () => {
  const state = '{"id":"hooked"}'
  const script = join(rootfs, 'hook.sh')
  writeFileSync(script, '#!/bin/sh\necho $1 $ENV $(cat) >&2\n', { mode: 0o755 })
  const spec = plainSpec('echo program')
  spec.hooks = {
    createRuntime: [{ path: '/bin/true' }],
    createContainer: [{ path: script, args: ['hook', 'create'], env: ['PATH=/bin', 'ENV=given'] }],
    startContainer: [{ path: '/hook.sh', args: ['hook', 'start'] }],
  }
  spec.process!.env!.push('ENV=container')
  const points: number[] = []
  const run = await bench.create(spec, { rootfs, state, onSync: (point) => points.push(point) })
  assert.deepEqual(points, [SYNC.runtimeHooks])
  run.proceed(state)
  await run.end()
  assert.match(run.output, /program\n/)
  spec.hooks.createContainer!.push({ path: '/bin/false' })
  await assert.rejects(bench.create(spec, { rootfs, state }), {
    message: 'error running createContainer hook #1: /bin/false ended with an error',
  })
})

test('scheduling: policy, nice, priority of input and output, personality, processors of an exec', async () => {
  const spec = plainSpec('uname -m; cat /proc/self/stat | cut -d" " -f19,41; ionice; sleep 100')
  Object.assign(spec.process!, {
    scheduler: { policy: 'SCHED_BATCH', nice: 7 },
    ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 6 },
  })
  Object.assign(spec.linux!, { personality: { domain: 'LINUX32' }, memoryPolicy: { mode: 'MPOL_LOCAL' } })
  const run = await bench.create(spec, { rootfs })
  run.proceed()
  await run.drain()
  const text = await bench.exec(spec, run, {
    args: ['sh', '-c', 'uname -m; cut -d" " -f19,41 /proc/self/stat; ionice; grep Cpus_allowed_list /proc/self/status'],
    execCPUAffinity: { initial: '0', final: '1' },
  })
  assert.equal(text, 'i686\n7 3\nbest-effort: prio 6\nCpus_allowed_list:\t1\n')
})

test('an own clock: the offsets that were asked for, in the container and in an exec', async () => {
  const spec = plainSpec('cat /proc/self/timens_offsets; sleep 100')
  spec.linux!.namespaces!.push({ type: 'time' })
  spec.linux!.timeOffsets = { monotonic: { secs: 7881, nanosecs: 2718281 }, boottime: { secs: 1337 } }
  const run = await bench.create(spec, { rootfs })
  run.proceed()
  await run.drain()
  const text = await bench.exec(spec, run, { args: ['cat', '/proc/self/timens_offsets', '/proc/uptime'] })
  assert.match(text, /^monotonic +7881 +2718281\nboottime +1337 +0\n/)
  assert.match(run.output, /^monotonic +7881 +2718281\n/)
})

test('without a mount namespace the root changes for the process alone', async () => {
  const spec = plainSpec('ls /bin/busybox; echo $$')
  spec.linux!.namespaces = [{ type: 'pid' }]
  delete spec.linux!.maskedPaths
  delete spec.linux!.readonlyPaths
  delete spec.hostname
  Object.assign(spec, { mounts: [], root: { path: rootfs } })
  const before = readFileSync('/proc/self/mountinfo', 'utf8')
  assert.equal(await bench.output(spec, { rootfs: writable }), '/bin/busybox\n1\n')
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), before)
})

test('an exec finds the root of a container without a mount namespace, and of one in that of others', async () => {
  for (const path of ['', `/proc/${process.pid}/ns/mnt`]) {
    const spec = plainSpec('sleep 100')
    spec.linux!.namespaces = [{ type: 'pid' }]
    if (path !== '') spec.linux!.namespaces.push({ type: 'mount', path })
    delete spec.linux!.maskedPaths
    delete spec.linux!.readonlyPaths
    delete spec.hostname
    Object.assign(spec, { mounts: [], root: { path: rootfs } })
    const run = await bench.create(spec, { rootfs: writable })
    run.proceed()
    await run.drain()
    assert.equal(
      await bench.exec(spec, run, { args: ['sh', '-c', 'ls -d /full; ls -d /work 2>&1'] }),
      '/full\nls: /work: No such file or directory\n',
    )
  }
})

test('--no-pivot: the root is moved, and the host is out of reach', async () => {
  const spec = plainSpec('ls /bin/busybox; cat /proc/self/mountinfo | wc -l')
  assert.match(await bench.output(spec, { rootfs, launch: { noPivot: true } }), /^\/bin\/busybox\n/)
})

test('nothing is left', () => {
  assert.ok(existsSync(rootfs))
  const left = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(bench.directory) && !mounted.some((path) => line.includes(path)))
  assert.deepEqual(left, [])
})
