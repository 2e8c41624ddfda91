// Plans with user namespaces, run for real: made, joined, by root and by an ordinary user.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { MNT_DETACH } from '../../src/linux/constants.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { SYNC } from '../../src/linux/steps.ts'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { makeBusyboxTree } from '../harness/images.ts'
import { MAPPED_ROOT, MAPPINGS, PlanBench, plainSpec, withUserNamespace } from './plan-bench.ts'

const kernel = openNativeKernel()
const bench = new PlanBench()
const rootfs = bench.join('image')
const NOBODY = 65_534
const mounted: string[] = []

before(async () => {
  await makeBusyboxTree(rootfs)
  for (const name of ['mnt', 'data']) mkdirSync(join(rootfs, name))
  execFileSync('chown', ['-R', `${MAPPED_ROOT}:${MAPPED_ROOT}`, rootfs])
})

after(() => {
  for (const path of mounted.reverse()) kernel.umount(path, MNT_DETACH)
  bench.dispose()
})

const userSpec = (script: string): RuntimeSpec => withUserNamespace(plainSpec(`exec 2>&1; ${script}`))

test('a user namespace of its own: nobody on the host, root inside, with devices, mounts and masks', async () => {
  const script = [
    'id -u; cat /proc/self/uid_map; stat -c "%n %t:%T" /dev/null /dev/zero /dev/tty; echo x > /dev/null && echo written',
    'cat /proc/self/mountinfo; cat /proc/keys | wc -c; grep Groups: /proc/self/status; cat /proc/self/loginuid >/dev/null; echo $$',
    'touch /x || echo sealed; grep Cap /proc/self/status; hostname; readlink /proc/self/ns/user',
  ].join('\n')
  const spec = userSpec(script)
  spec.linux!.namespaces!.push({ type: 'cgroup' })
  const points: number[] = []
  const text = await bench.output(spec, { rootfs, onSync: (point) => points.push(point) })
  assert.deepEqual(points, [SYNC.identity])
  for (const pattern of [
    /^0\n +0 +100000 +65536\n/,
    /^\/dev\/null 1:3\n\/dev\/zero 1:5\n\/dev\/tty 5:0\nwritten$/m,
    / \/ ro,/,
    / \/proc rw,relatime - proc /,
    / \/dev rw,nosuid - tmpfs tmpfs rw,mode=755,uid=100000,gid=100000/,
    / \/sys ro,nosuid,nodev,noexec,relatime - sysfs /,
    /^0\nGroups:\t \n1$/m,
    /^sealed$/m,
    /^CapEff:\t0000000020000420$/m,
    /^plan$/m,
  ])
    assert.match(text, pattern)
  assert.ok(!text.includes(readlinkSync('/proc/self/ns/user')), text)
})

test('sources that the mapped root cannot reach are bound all the same', async () => {
  const secret = bench.directoryOf('secret', 0o700)
  mkdirSync(join(secret, 'open'))
  writeFileSync(join(secret, 'open/file'), 'reached\n')
  const spec = userSpec('cat /mnt/file; touch /mnt/file || echo sealed; grep " /mnt " /proc/self/mountinfo')
  spec.mounts!.push({ destination: '/mnt', source: join(secret, 'open'), options: ['bind', 'ro'] })
  const text = await bench.output(spec, { rootfs })
  assert.match(text, /^reached\n/)
  assert.match(text, /^sealed$/m)
  assert.match(text, / \/mnt ro,/)
})

test('the bundle itself may be closed to the mapped root', async () => {
  assert.equal(Number(execFileSync('stat', ['-c', '%a', bench.directory])), 700)
  assert.match(await bench.output(userSpec('ls -d /bin'), { rootfs }), /^\/bin\n/)
})

test("an id-mapped mount shows the host's root as the container's", async () => {
  const source = bench.directoryOf('ids')
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', source])
  mounted.push(source)
  writeFileSync(join(source, 'file'), '')
  const spec = userSpec('stat -c %u:%g /mnt/file /data/file; touch /mnt/new && echo made')
  spec.mounts!.push(
    { destination: '/mnt', source, options: ['bind', 'idmap'] },
    { destination: '/data', source, options: ['bind'] },
  )
  assert.match(await bench.output(spec, { rootfs }), new RegExp(`^0:0\n${NOBODY}:${NOBODY}\nmade\n`))
  assert.equal(Number(execFileSync('stat', ['-c', '%u', join(source, 'new')])), 0)
})

test('a user who is somebody: groups, home, and a directory that only he may enter', async () => {
  // Owned by nobody inside, open to a group: the container's root may not pass, its user may.
  const source = bench.directoryOf('home', 0o010)
  chmodSync(source, 0o050)
  chownSync(source, 5, MAPPED_ROOT + 1000)
  const spec = userSpec('id; pwd; ls -ld .')
  spec.mounts!.push({ destination: '/mnt', source, options: ['bind'] })
  Object.assign(spec.process!, { cwd: '/mnt', user: { uid: 1000, gid: 1000, additionalGids: [29] } })
  assert.match(await bench.output(spec, { rootfs }), /^uid=1000\(user\) gid=1000\(user\) groups=29\(audio\).*\n\/mnt\n/)
  spec.process!.user = { uid: 1001, gid: 1001 }
  await assert.rejects(bench.create(spec, { rootfs }), {
    message: 'chdir to cwd ("/mnt") set in config.json failed: permission denied',
  })
})

test('a clock of its own goes with it', async () => {
  const spec = userSpec('cat /proc/self/timens_offsets')
  spec.linux!.namespaces!.push({ type: 'time' })
  spec.linux!.timeOffsets = { boottime: { secs: 100 } }
  assert.match(await bench.output(spec, { rootfs }), /^monotonic +0 +0\nboottime +100 +0\n/)
})

test('an exec and another container join it', async () => {
  const spec = userSpec('sleep 100')
  const first = await bench.create(spec, { rootfs })
  first.proceed()
  await first.drain()
  const script =
    'id -u; grep Groups: /proc/self/status; for kind in user net; do readlink /proc/self/ns/$kind; done; cat /proc/1/comm; echo $PPID'
  const own = ['user', 'net'].map((name) => readlinkSync(`/proc/${first.pid}/ns/${name}`)).join('\n')
  const executed = await bench.exec(spec, first, { args: ['sh', '-c', script] })
  assert.equal(executed, `0\nGroups:\t \n${own}\nsleep\n0\n`)

  const joining = plainSpec(`exec 2>&1; ${script}; grep " /sys " /proc/self/mountinfo`)
  joining.linux!.namespaces = [
    { type: 'user', path: `/proc/${first.pid}/ns/user` },
    { type: 'network', path: `/proc/${first.pid}/ns/net` },
    { type: 'pid', path: `/proc/${first.pid}/ns/pid` },
    { type: 'mount' },
    { type: 'uts' },
    { type: 'ipc', path: `/proc/${first.pid}/ns/ipc` },
  ]
  const text = await bench.output(joining, { rootfs })
  assert.ok(text.startsWith(`0\nGroups:\t \n${own}\nsleep\n0\n`), text)
  assert.match(text, / - sysfs /)
})

test("where the network is the host's, so is what /sys shows, and it is read-only", async () => {
  const spec = userSpec('touch /sys/x /sys/kernel/profiling || echo sealed; grep -c " /sys" /proc/self/mountinfo')
  spec.linux!.namespaces = spec.linux!.namespaces!.filter(({ type }) => type !== 'network')
  assert.match(await bench.output(spec, { rootfs }), /^sealed$/m)
})

test('an ordinary user: a namespace with himself in it', async () => {
  const image = join(bench.directory, 'theirs')
  execFileSync('cp', ['-a', rootfs, image])
  execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, image])
  chmodSync(bench.directory, 0o711)
  const mappings = [{ containerID: 0, hostID: NOBODY, size: 1 }]
  const spec = withUserNamespace(
    plainSpec('id -u; cat /proc/self/uid_map; touch /root/x && echo mine; sleep 100'),
    mappings,
  )
  spec.root!.readonly = false
  spec.process!.oomScoreAdj = 500
  spec.linux!.namespaces!.push({ type: 'time' })
  spec.linux!.timeOffsets = { monotonic: { secs: 5 } }
  const launch = { rootless: true }
  const asNobody = (argv: readonly string[]) => [
    'setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    ...argv,
  ]
  const init = { wrapped: asNobody }
  const run = await bench.create(spec, { rootfs: image, launch, init })
  run.proceed()
  await run.drain()
  const args = [
    'sh',
    '-c',
    'id -u; grep -E "Groups|CapEff" /proc/self/status; cat /proc/1/comm /proc/self/timens_offsets; echo $PPID',
  ]
  const text = await bench.exec(spec, run, { args }, { launch, init })
  assert.match(text, /^0\nGroups:\t \nCapEff:\t0000000020000420\nsleep\nmonotonic +5 +0\nboottime +0 +0\n0\n$/)
  assert.match(run.output, /^0\n +0 +65534 +1\nmine\n/)
  assert.equal(readFileSync(`/proc/${run.pid}/oom_score_adj`, 'utf8'), '500\n')
  assert.equal(Number(execFileSync('stat', ['-c', '%u', join(image, 'root/x')])), NOBODY)
})

test('a failure in the second stage is told as one in the first', async () => {
  const spec = userSpec('true')
  spec.mounts!.push({ destination: '/mnt', source: '/not/there', options: ['bind'] })
  await assert.rejects(bench.create(spec, { rootfs }), {
    message: 'error mounting "/not/there" to rootfs at "/mnt": stat /not/there: no such file or directory',
  })
  const other = withUserNamespace(plainSpec('true'), MAPPINGS)
  other.process!.cwd = '/bin/busybox'
  await assert.rejects(bench.create(other, { rootfs }), { message: /not a directory$/ })
})
