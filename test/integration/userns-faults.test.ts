// What goes wrong around containers whose root is nobody on the host: crashes, other runtimes, and what that root tries.
import assert from 'node:assert/strict'
import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isAlive, startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must, run } from '../harness/command.ts'
import { makeBusyboxTree, pushImage } from '../harness/images.ts'
import { listLeavings, makeInitLayer, nothingBut } from '../harness/leavings.ts'
import { coverUserFiles, FIRST } from '../harness/mapped-users.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'
import { findProgram } from '../harness/runtime.ts'

const NET_RAW = '0000000000002000'

let engine: TestEngine
let registry: TestRegistry
let image: string
let rest: string[]
let users: AsyncDisposable
const runc = findProgram('runc')

before(async () => {
  users = await coverUserFiles()
  const runtimes = runc === undefined ? [] : ['--add-runtime', `other=${runc}`]
  engine = await startEngine({ args: ['--userns-remap', 'mapped', ...runtimes], cgroups: 'own' })
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushCapable(registry.host)
  image = `${registry.host}/capable`
  await engine.ok('pull', '-q', image)
  await makeInitLayer(engine, image)
  rest = await listLeavings(engine)
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await users[Symbol.asyncDispose]()
})

/** busybox, and `/raw/cat`, which has a capability of the file's. */
async function pushCapable(host: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'capable-'))
  const [tree, tar] = [join(directory, 'tree'), join(directory, 'layer.tar')]
  await makeBusyboxTree(tree)
  await must(['mkdir', `${tree}/raw`, `${tree}/mnt`])
  await must(['cp', `${tree}/bin/busybox`, `${tree}/raw/cat`])
  await must(['setcap', 'cap_net_raw+ep', `${tree}/raw/cat`])
  await must(['tar', '-C', tree, '--numeric-owner', '--xattrs', '--xattrs-include=*', '-cf', tar, '.'])
  await pushImage(host, 'capable', { layers: [{ tar, compression: 'gzip' }], config: { Cmd: ['sh'] } })
  await rm(directory, { recursive: true, force: true })
}

const effective = async (where: string, program: string) =>
  /CapEff:\s*(\S+)/.exec(await engine.ok('exec', '-u', '1000', where, program, '/proc/self/status'))?.[1]

test('file capabilities of images, of cp and of commit are those of the container’s root', async () => {
  await engine.ok('run', '-d', '--name', 'capable', image, 'sleep', '1000')
  assert.equal(await effective('capable', '/raw/cat'), NET_RAW)
  const copied = join(engine.directory, 'copied')
  await engine.ok('cp', 'capable:/raw', copied)
  assert.match(await must(['getcap', '-n', `${copied}/cat`]), /cat cap_net_raw=ep$/) // of no namespace
  // The Docker CLI packs no capabilities: an archive that has one comes from elsewhere.
  const archive = join(engine.directory, 'cp.tar')
  await must(['mkdir', `${copied}/put`])
  await must(['mv', `${copied}/cat`, `${copied}/put/cat`])
  await must(['tar', '-C', copied, '--xattrs', '--xattrs-include=*', '-cf', archive, 'put'])
  await must(['sh', '-c', `docker -H ${engine.host} cp - capable:/raw < ${archive}`])
  assert.equal(await effective('capable', '/raw/put/cat'), NET_RAW)
  await engine.ok('exec', 'capable', 'chmod', '700', '/raw/cat')
  assert.match(await engine.ok('diff', 'capable'), /A \/raw\/put\/cat/)
  await engine.ok('commit', 'capable', 'committed')
  for (const mode of ['', 'host']) {
    await engine.ok('run', '-d', '--name', 'again', '--userns', mode, 'committed', 'sleep', '1000')
    assert.equal(await effective('again', '/raw/put/cat'), NET_RAW, mode)
    assert.equal(await engine.ok('exec', 'again', 'stat', '-c', '%a %u', '/raw/cat', '/raw/put/cat'), '700 0\n755 0')
    await engine.ok('rm', '-f', 'again')
  }
  await engine.ok('rm', '-f', 'capable')
  await engine.ok('rmi', 'committed')
  await nothingBut(rest, engine)
})

test('a file whose owner has no place in the map is not copied, and leaves what was there', async () => {
  const file = join(engine.directory, 'foreign')
  writeFileSync(file, 'new')
  chownSync(file, 300_000, 300_000)
  await engine.ok('create', '--name', 'target', image)
  const failed = await engine.docker(['cp', '-a', file, 'target:/etc/passwd'])
  assert.match(failed.stderr, /container ID 300000 cannot be mapped to a host ID/)
  assert.match(await must(['sh', '-c', `docker -H ${engine.host} cp target:/etc/passwd - | tar -xO`]), /^root:x:0/)
  const absent = await engine.docker(['cp', '-a', file, 'target:/new'])
  assert.match(absent.stderr, /container ID 300000 cannot be mapped to a host ID/)
  assert.doesNotMatch(await engine.ok('diff', 'target'), /\/new/)
  await engine.ok('rm', 'target')
  await nothingBut(rest, engine)
})

test('the containers’ root has no way to what is the engine’s, or to its socket', async () => {
  await engine.ok('run', '-d', '--name', 'one', '-v', 'own:/own', image, 'sleep', '1000')
  chmodSync(engine.directory, 0o755) // nothing around it is in the way
  const asMapped = (...argv: string[]) =>
    run(['setpriv', `--reuid=${FIRST}`, `--regid=${FIRST}`, '--clear-groups', ...argv])
  const { stdout } = await asMapped('find', engine.directory, '-writable', '-not', '-type', 'l')
  const reached = stdout.split('\n').filter((path) => path !== '')
  assert.deepEqual(reached, [])
  assert.notEqual((await asMapped('curl', '-sf', '--unix-socket', engine.socketPath, 'http://x/_ping')).code, 0)
  assert.notEqual((await asMapped('sh', '-c', `echo x > ${engine.directory}/data/${FIRST}.${FIRST}/engine-id`)).code, 0)
  // What it leaves in a volume is a program of nobody's on the host.
  await engine.ok('exec', 'one', 'sh', '-c', 'cp /bin/busybox /own/sh && chmod 6755 /own/sh')
  const { uid, gid, mode } = statSync(join(engine.directory, `data/${FIRST}.${FIRST}/volumes/own/_data/sh`))
  assert.deepEqual([uid, gid, mode & 0o7777], [FIRST, FIRST, 0o6755])
  await engine.ok('rm', '-f', 'one')
  await engine.ok('volume', 'rm', 'own')
  await nothingBut(rest, engine)
})

test('all capabilities are those of its own namespace alone', async () => {
  const tries = {
    'mknod /x b 254 0': /not permitted/,
    'mount -t ext4 /dev/vda /mnt': /permission denied|not permitted|No such/i,
    'echo 1 > /proc/sys/kernel/core_pattern': /Read-only|can't create/,
    'echo x > /proc/sysrq-trigger': /can't create/,
    'mount -t proc p /tmp && echo x > /tmp/sysrq-trigger': /can't create|permission denied/i,
    'mount -t tmpfs t /proc/acpi && umount /proc/acpi; umount /proc/kcore; cat /proc/kcore | wc -c': /^0$/m,
    'mount -o remount,rw /sys && echo x > /sys/kernel/profiling': /can't create|permission denied/i,
    'date -s 2000-01-01': /can't set date/,
    'echo -1000 > /proc/self/oom_score_adj': /Permission denied|write error/,
    'chroot /proc/1/root ls /work': /No such file/,
    dmesg: /not permitted/,
  }
  const script = Object.keys(tries).map((line, at) => `echo "try ${at}"; (${line}) 2>&1`)
  const options = ['--cap-add', 'ALL', '--security-opt', 'seccomp=unconfined', '--security-opt', 'apparmor=unconfined']
  const { stdout } = await engine.docker(['run', '--rm', ...options, image, 'sh', '-c', script.join('; ')])
  const answers = stdout.split(/^try \d+\n/m).slice(1)
  for (const [at, [line, expected]] of Object.entries(tries).entries()) assert.match(answers[at] ?? '', expected, line)
  await nothingBut(rest, engine)
})

test('kill -9 of either daemon at any moment of starts and ends leaves nothing that a removal does not take', async (t) => {
  const seed = Number(process.env['CRASH_SEED'] ?? Date.now() % 100_000)
  t.diagnostic(`seed ${seed}`)
  let state = seed
  const below = (limit: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * limit)
  }
  for (let round = 0; round < 12; round++) {
    const started = Promise.all(
      [0, 1].map((at) =>
        engine.docker([
          'run',
          '-d',
          '--name',
          `crash-${round}-${at}`,
          '-p',
          '80',
          image,
          'sleep',
          at === 0 ? '1000' : '0.3',
        ]),
      ),
    )
    await new Promise((done) => setTimeout(done, below(1200)))
    if (below(3) > 0) await engine.killEngine()
    else await engine.killContainerd()
    await started
    if (!isAlive(engine.enginePid())) await engine.start()
    await eventually('the engine lists containers', 20_000, async () => (await engine.docker(['ps', '-aq'])).code === 0)
    const running = (await engine.ok('ps', '-q', '--filter', 'name=-0$')).split('\n').filter((id) => id !== '')
    for (const id of running)
      assert.match(await engine.ok('exec', id, 'sh', '-c', 'id -u; ip -4 -o addr'), /^0\n[\s\S]*eth0 /)
  }
  const ids = (await engine.ok('ps', '-aq')).split('\n').filter((id) => id !== '')
  await engine.ok('rm', '-f', '-v', ...ids)
  await nothingBut(rest, engine, 60_000)
})

test('without live-restore containers are stopped with their network namespaces, and policies bring them back mapped', async () => {
  await using other = await startEngine({ args: ['--userns-remap', 'mapped', '--live-restore=false'] })
  await other.ok('pull', '-q', image)
  await other.ok('run', '-d', '--name', 'back', '--restart', 'unless-stopped', '-p', '80', image, 'sleep', '1000')
  const pid = await other.ok('inspect', '-f', '{{.State.Pid}}', 'back')
  await other.stop()
  assert.ok(!isAlive(Number(pid)))
  assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`${other.directory}/exec/netns`))
  await other.start()
  await eventually('the policy has brought it back', 30_000, async () =>
    (await other.docker(['exec', 'back', 'ip', '-4', '-o', 'addr'])).stdout.includes('eth0'),
  )
  assert.match(await other.ok('exec', 'back', 'cat', '/proc/self/uid_map'), new RegExp(`^\\s*0\\s+${FIRST} `))
})

test('several ranges follow each other, and groups have their own', async () => {
  const ranges = { subuid: 'mapped:231072:1000\nmapped:300000:64536\n', subgid: 'mapped:431072:65536\n' }
  await using _ = await coverUserFiles(ranges)
  await using other = await startEngine({ args: ['--userns-remap', 'mapped'] })
  await other.ok('pull', '-q', image)
  const script = 'touch /v/x /y && chown 999:1 /v/x && chown 1000:65535 /y && cat /proc/sys/net/ipv4/ping_group_range'
  assert.equal(await other.ok('run', '--name', 'one', '-v', 'wide:/v', image, 'sh', '-c', script), '0\t65535')
  const root = join(other.directory, 'data/231072.431072')
  const { uid, gid } = statSync(join(root, 'volumes/wide/_data/x'))
  assert.deepEqual([uid, gid, statSync(root).gid], [232_071, 431_073, 431_072])
  assert.match(
    await must(['sh', '-c', `docker -H ${other.host} cp one:/y - | tar --numeric-owner -tv`]),
    / 1000\/65535 /,
  )
  await other.ok('commit', 'one', 'result')
  for (const mode of ['', 'host'])
    assert.equal(await other.ok('run', '--rm', '--userns', mode, 'result', 'stat', '-c', '%u:%g', '/y'), '1000:65535')
})

test('an engine with another map ends what ran with the one before, and each finds its own containers', async () => {
  const other = await startEngine({ args: ['--userns-remap', 'mapped'] })
  const { directory } = other
  await other.ok('pull', '-q', image)
  await other.ok('run', '-d', '--name', 'mapped', image, 'sleep', '1000')
  const pid = Number(await other.ok('inspect', '-f', '{{.State.Pid}}', 'mapped'))
  await other.stop()
  assert.ok(isAlive(pid))
  const plain = await startEngine({ directory })
  await eventually('the process is gone', 30_000, () => !isAlive(pid))
  assert.equal(await plain.ok('ps', '-aq'), '')
  assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(`${directory}/exec/netns`))
  await plain.stop()
  await other.start()
  assert.match(await other.ok('ps', '-a', '--format', '{{.Names}} {{.Status}}'), /^mapped Exited/)
  assert.equal(await other.ok('start', 'mapped'), 'mapped')
  await other[Symbol.asyncDispose]()
})

test('runc makes mapped containers, too', { skip: runc === undefined && 'runc is not installed' }, async () => {
  await engine.ok('run', '-d', '--name', 'other', '--runtime', 'other', '-v', 'filled:/etc', image, 'sleep', '1000')
  const look = 'id -u; stat -c %u /bin/busybox /etc/passwd /etc/hosts; echo x > /dev/stdout; ip -4 -o addr'
  assert.match(await engine.ok('exec', 'other', 'sh', '-c', look), /^0\n0\n0\n0\nx\n[\s\S]*eth0 /)
  assert.equal(await engine.ok('exec', '-u', '1000', 'other', 'sh', '-c', 'echo x > /dev/stdout; id -u'), 'x\n1000')
  assert.equal(statSync(`/proc/${await engine.ok('inspect', '-f', '{{.State.Pid}}', 'other')}`).uid, FIRST)
  await engine.killEngine()
  await engine.start()
  assert.equal(await engine.ok('exec', 'other', 'id', '-u'), '0')
  await engine.ok('cp', '/etc/hostname', 'other:/copied')
  assert.equal(await engine.ok('exec', 'other', 'stat', '-c', '%u', '/copied'), '0')
  await engine.ok('rm', '-f', 'other')
  await engine.ok('volume', 'rm', 'filled')
  await nothingBut(rest, engine)
})
