// userns-remap with the Docker CLI: containers whose root is nobody on the host.
import assert from 'node:assert/strict'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine } from '../harness/berth.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually, must, run } from '../harness/command.ts'
import { startDockerd } from '../harness/dockerd.ts'
import { listLeavings, makeInitLayer, nothingBut } from '../harness/leavings.ts'
import { COUNT, coverUserFiles, FIRST } from '../harness/mapped-users.ts'
import { BIN } from '../harness/root.ts'

let engine: BusyboxEngine
let image: string
let rest: string[]
let users: AsyncDisposable

before(async () => {
  users = await coverUserFiles()
  engine = await startBusyboxEngine({ args: ['--userns-remap', 'mapped'], cgroups: 'own' })
  ;({ image } = engine)
  await makeInitLayer(engine, image)
  rest = await listLeavings(engine)
})

after(async () => {
  await engine[Symbol.asyncDispose]()
  await users[Symbol.asyncDispose]()
})

const dataRoot = () => join(engine.directory, 'data', `${FIRST}.${FIRST}`)
const sh = (command: string, ...options: string[]) => engine.ok('run', '--rm', ...options, image, 'sh', '-c', command)

test('root of a container is somebody else on the host, and has its own files', async () => {
  await engine.ok('run', '-d', '--name', 'one', image, 'sleep', '1000')
  const pid = await engine.ok('inspect', '-f', '{{.State.Pid}}', 'one')
  assert.equal(statSync(`/proc/${pid}`).uid, FIRST)
  assert.match(readFileSync(`/proc/${pid}/uid_map`, 'utf8'), new RegExp(`^\\s*0\\s+${FIRST}\\s+${COUNT}\\s*$`))
  assert.match(readFileSync(`/proc/${pid}/gid_map`, 'utf8'), new RegExp(`^\\s*0\\s+${FIRST}\\s+${COUNT}\\s*$`))
  const look = 'id -u; stat -c %u:%g / /bin /etc/hosts /etc/resolv.conf /etc/hostname /.dockerenv /dev/shm /tmp'
  assert.equal(await engine.ok('exec', 'one', 'sh', '-c', look), ['0', ...Array(8).fill('0:0')].join('\n'))
  await engine.ok(
    'exec',
    'one',
    'sh',
    '-c',
    'echo 1.2.3.4 x >> /etc/hosts && chown 7:8 /bin/busybox && touch /new && mkdir /dev/shm/d',
  )
  assert.equal(await engine.ok('exec', 'one', 'stat', '-c', '%u:%g', '/bin/busybox'), '7:8')
  await engine.ok('exec', '-u', '1000:1001', 'one', 'sh', '-c', 'echo mine > /tmp/mine && echo out > /dev/stdout')
  assert.equal(await engine.ok('exec', 'one', 'stat', '-c', '%u:%g', '/tmp/mine'), '1000:1001')
  await engine.ok('rm', '-f', 'one')
  await nothingBut(rest, engine)
})

test('standard streams can be opened anew, by root and by others', async () => {
  const script = 'echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin'
  for (const user of ['0', '1000']) {
    const { stdout, stderr } = await engine.docker(['run', '--rm', '-i', '-u', user, image, 'sh', '-c', script], {
      input: 'in\n',
    })
    assert.deepEqual([stdout, stderr], ['out\nin\n', 'err\n'], user)
  }
  assert.match(await engine.ok('run', '--rm', '-t', image, 'sh', '-c', 'tty; echo x > /dev/tty'), /^\/dev\/pts\/0\s+x$/)
  await nothingBut(rest, engine)
})

test('the daemon says so, and keeps its things apart, from containers’ root too', async () => {
  assert.match(await engine.ok('info', '-f', '{{.SecurityOptions}}'), /name=userns/)
  assert.equal(await engine.ok('info', '-f', '{{.DockerRootDir}}'), dataRoot())
  const { uid, gid, mode } = statSync(dataRoot())
  assert.deepEqual([uid, gid, mode & 0o7777], [0, FIRST, 0o710])
  for (const name of readdirSync(dataRoot())) assert.equal(lstatSync(join(dataRoot(), name)).uid, 0, name)
})

test('volumes, binds and copy-up belong to the containers’ root', async () => {
  assert.equal(await sh('stat -c %u:%g /data && echo x > /data/file && chown 5 /data/file', '-v', 'one:/data'), '0:0')
  assert.equal(statSync(join(dataRoot(), 'volumes/one/_data')).uid, FIRST)
  assert.equal(statSync(join(dataRoot(), 'volumes/one/_data/file')).uid, FIRST + 5)
  assert.equal(await sh('stat -c %u:%g /etc /etc/passwd', '-v', 'copied:/etc'), '0:0\n0:0')
  assert.equal(statSync(join(dataRoot(), 'volumes/copied/_data/passwd')).uid, FIRST)
  const bound = join(engine.directory, 'made/here')
  assert.equal(await sh('stat -c %u:%g /b && touch /b/x', '-v', `${bound}:/b`), '0:0')
  assert.deepEqual(
    [join(bound, '..'), bound, join(bound, 'x')].map((path) => statSync(path).uid),
    [FIRST, FIRST, FIRST],
  )
  const hosts = join(engine.directory, 'hosts-own')
  mkdirSync(hosts, { mode: 0o755 })
  assert.equal(await sh('stat -c %u /b; touch /b/x 2>/dev/null || echo refused', '-v', `${hosts}:/b`), '65534\nrefused')
  assert.equal(await sh('stat -c %u /t && touch /t/x && stat -c %u /t/x', '--tmpfs', '/t'), '0\n0')
  assert.equal(await sh('stat -c %u:%g /i/bin', '--mount', `type=image,source=${image},target=/i`), '0:0')
  assert.equal(await sh('stat -c %u:%g /deep /deep/down', '-w', '/deep/down'), '0:0\n0:0')
  await engine.ok('volume', 'rm', 'one', 'copied')
  await nothingBut(rest, engine)
})

test('cp, diff, export and commit speak of the container’s ids', async () => {
  await engine.ok(
    'run',
    '-d',
    '--name',
    'files',
    image,
    'sh',
    '-c',
    'echo a > /a; chown 3:4 /a; rm /bin/vi; touch /ready; exec sleep 1000',
  )
  await eventually(
    'the container is ready',
    10_000,
    async () => (await engine.docker(['exec', 'files', 'test', '-e', '/ready'])).code === 0,
  )
  const source = join(engine.directory, 'to-copy')
  mkdirSync(source)
  writeFileSync(join(source, 'inside'), 'text')
  const check = async () => {
    const listed = (await must(['sh', '-c', `docker -H ${engine.host} cp files:/a - | tar --numeric-owner -tv`])).trim()
    assert.match(listed, / 3\/4 .* a$/)
    const exported = await must(['sh', '-c', `docker -H ${engine.host} export files | tar --numeric-owner -tv`])
    assert.match(exported, /^-\S+ 3\/4 .* a$/m)
    assert.match(exported, /^\S+ 0\/0 .* bin\/sh\b/m)
    assert.doesNotMatch(exported, new RegExp(`${FIRST}|65534|bin/vi\\b`))
    const changes = (await engine.ok('diff', 'files')).split('\n')
    for (const line of ['A /a', 'D /bin/vi', 'C /bin', 'A /ready'])
      assert.ok(changes.includes(line), `${line} in ${changes}`)
    assert.ok(!changes.some((line) => /\/(?:etc|usr|home|bin\/sh)$/.test(line)), String(changes))
  }
  await check()
  await engine.ok('cp', source, 'files:/running')
  await engine.ok('cp', '-a', source, 'files:/archived')
  assert.equal(
    await engine.ok('exec', 'files', 'stat', '-c', '%u:%g', '/running', '/running/inside', '/archived'),
    '0:0\n0:0\n0:0',
  )
  await engine.ok('stop', '-t', '0', 'files')
  await check()
  await engine.ok('cp', source, 'files:/stopped')
  await engine.ok('commit', 'files', 'committed')
  assert.equal(
    await engine.ok(
      'run',
      '--rm',
      'committed',
      'stat',
      '-c',
      '%u:%g',
      '/',
      '/a',
      '/stopped/inside',
      '/running/inside',
      '/bin/sh',
    ),
    '0:0\n3:4\n0:0\n0:0\n0:0',
  )
  const layers = await engine.ok(
    'run',
    '--rm',
    '--userns',
    'host',
    'committed',
    'stat',
    '-c',
    '%u:%g',
    '/a',
    '/stopped/inside',
  )
  assert.equal(layers, '3:4\n0:0')
  await engine.ok('start', 'files')
  assert.equal(await engine.ok('exec', 'files', 'stat', '-c', '%u:%g', '/stopped', '/stopped/inside'), '0:0\n0:0')
  await engine.ok('rm', '-f', 'files')
  await engine.ok('rmi', 'committed')
  await nothingBut(rest, engine)
})

test('a network namespace of its users: addresses, published ports, sysctls, interfaces', async () => {
  await engine.ok('run', '-d', '--name', 'web', '-p', '127.0.0.1:8431:80', image, 'httpd', '-f', '-h', '/etc')
  await eventually('the server answers', 10_000, async () =>
    (await run(['curl', '-sf', 'http://127.0.0.1:8431/passwd'])).stdout.startsWith('root:'),
  )
  const address = await engine.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'web')
  assert.match(
    await engine.ok('exec', 'web', 'ip', '-4', 'addr'),
    new RegExp(`inet 127\\.0\\.0\\.1/[^]*inet ${address.replaceAll('.', '\\.')}/`),
  )
  assert.equal(await sh(`wget -qO- http://${address}/hostname >/dev/null && echo reached`), 'reached')
  const sysctls = [
    '--sysctl',
    'net.ipv4.conf.eth0.log_martians=1',
    '--sysctl',
    'net.ipv4.ip_local_port_range=2000 3000',
  ]
  assert.equal(
    await sh('cat /proc/sys/net/ipv4/conf/eth0/log_martians /proc/sys/net/ipv4/ip_local_port_range', ...sysctls),
    '1\n2000\t3000',
  )
  assert.equal(
    await sh('ip addr add 10.9.9.9/32 dev eth0 && ip addr | grep -c 10.9.9.9', '--cap-add', 'NET_ADMIN'),
    '1',
  )
  assert.equal(await sh('ip addr add 10.9.9.9/32 dev eth0 2>/dev/null || echo refused'), 'refused')
  assert.equal(await sh('ls /sys/class/net', '--network', 'none'), 'lo')
  assert.equal(await sh('cat /proc/sys/kernel/domainname', '--domainname', 'example.org'), 'example.org')
  await engine.ok('rm', '-f', 'web')
  await nothingBut(rest, engine)
})

test('container: modes share the other’s users; --userns=host has the host’s', async () => {
  await engine.ok('run', '-d', '--name', 'first', '--ipc', 'shareable', image, 'sleep', '1000')
  const users = (where: string) => engine.ok('exec', where, 'readlink', '/proc/self/ns/user')
  for (const kind of ['network', 'pid', 'ipc']) {
    await engine.ok('run', '-d', '--name', kind, `--${kind}`, 'container:first', image, 'sleep', '1000')
    assert.equal(await users(kind), await users('first'), kind)
  }
  assert.equal(
    await engine.ok('exec', 'network', 'ip', '-4', '-o', 'addr'),
    await engine.ok('exec', 'first', 'ip', '-4', '-o', 'addr'),
  )
  await engine.ok('exec', 'ipc', 'sh', '-c', 'echo shared > /dev/shm/x')
  assert.equal(await engine.ok('exec', 'first', 'stat', '-c', '%u', '/dev/shm/x'), '0')
  assert.notEqual(await sh('readlink /proc/self/ns/user'), await users('first'))
  const hosts = await sh('cat /proc/self/uid_map; stat -c %u / /etc/hosts; touch /x; stat -c %u /x', '--userns', 'host')
  assert.match(hosts, /^\s*0\s+0\s+4294967295\n0\n0\n0$/)
  await sh('mkdir /m && mount -t tmpfs x /m', '--privileged', '--userns', 'host')
  await engine.ok('run', '-d', '--name', 'hosts', '--userns', 'host', image, 'sleep', '1000')
  const mixed = await engine.docker(['run', '--rm', '--network', 'container:hosts', image, 'true'])
  assert.match(mixed.stderr, /which is in the host's user namespace/)
  await engine.ok('rm', '-f', 'network', 'pid', 'ipc', 'first', 'hosts')
  await nothingBut(rest, engine)
})

const REFUSED: readonly [string[], string][] = [
  [
    ['--privileged'],
    'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode',
  ],
  [['--network', 'host'], "cannot share the host's network namespace when user namespaces are enabled"],
  [['--pid', 'host'], 'cannot share the host PID namespace when user namespaces are enabled'],
]

test('what only the host’s root may do is refused in Docker’s words', async () => {
  // Its data root must be within reach of the mapped root.
  const directory = await mkdtemp(join(tmpdir(), 'userns-dockerd-'))
  chmodSync(directory, 0o755)
  const real = await startDockerd({ args: ['--userns-remap', 'mapped', '--data-root', join(directory, 'data')] })
  try {
    for (const [options, text] of REFUSED) {
      const ours = await engine.docker(['create', ...options, image, 'true'])
      assert.match(ours.stderr, new RegExp(`: ${text.replaceAll('.', '\\.')}$`, 'm'))
      if (real === undefined) continue
      const theirs = await run(['docker', '-H', `unix://${real.socketPath}`, 'create', ...options, image, 'true'])
      if (!theirs.stderr.includes('No such image')) assert.match(theirs.stderr, new RegExp(text.replaceAll('.', '\\.')))
    }
  } finally {
    await real?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
})

test('a daemon that cannot map does not start, and says why', async () => {
  const cases: [string, RegExp][] = [
    ['rangeless', /Can't create ID mappings: no subuid ranges found for user "rangeless"/],
    ['nobody-here', /error during uid lookup for "nobody-here": no such user/],
    ['a:b:c', /invalid user\/group specification in --userns-remap: "a:b:c"/],
    ['mapped:nogroup-here', /error during groupname lookup for "nogroup-here": no such group/],
  ]
  for (const [setting, text] of cases) {
    const { code, stderr } = await run([
      join(BIN, 'berthd'),
      '--userns-remap',
      setting,
      '--data-root',
      join(engine.directory, 'none'),
    ])
    assert.equal(code, 1)
    assert.match(stderr, text)
  }
})

test('`default` is a user of the daemon’s making, with ranges that nobody has', async () => {
  const etc = join(engine.directory, 'etc')
  await must(['cp', '-a', '/etc', etc])
  const lines = (file: string) => readFileSync(join(etc, file), 'utf8').split('\n')
  for (const file of ['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'])
    writeFileSync(
      join(etc, file),
      lines(file)
        .filter((line) => !line.startsWith('dockremap:'))
        .join('\n'),
    )
  await must(['mount', '--bind', etc, '/etc'])
  try {
    for (const _ of ['made', 'found']) {
      await using other = await startEngine({ args: ['--userns-remap', 'default'] })
      await other.ok('pull', '-q', image)
      assert.deepEqual(
        ['subuid', 'subgid'].map((file) => lines(file).filter((line) => line.startsWith('dockremap:'))),
        [['dockremap:100000:65536'], ['dockremap:100000:65536']],
      )
      assert.match(await other.ok('run', '--rm', image, 'cat', '/proc/self/uid_map'), /^\s*0\s+100000\s+65536$/)
      assert.deepEqual(readdirSync(join(other.directory, 'data')), ['100000.100000'])
    }
  } finally {
    await must(['umount', '--lazy', '/etc'])
  }
})

test('what other options need is there for containers’ root, too', async () => {
  const cases: [string[], string, RegExp][] = [
    [['--init'], 'ps -o args | grep -c "[d]ocker-init\\|[i]nit --"', /^[1-9]/],
    [['--device', '/dev/loop-control:/dev/given'], 'test -c /dev/given && echo there', /^there$/],
    [
      ['--ipc', 'host'],
      'touch /dev/shm/userns-remap-test && stat -c %u /dev/shm/userns-remap-test && rm /dev/shm/userns-remap-test',
      /^0$/,
    ],
    [['--uts', 'host'], 'hostname', /./],
    [['--cgroupns', 'host'], 'cat /proc/self/cgroup', /\/[0-9a-f]{64}$/m],
    [['--read-only', '--tmpfs', '/run'], 'touch /x 2>/dev/null || touch /run/x && echo only', /^only$/],
    [['--user', '1000', '--group-add', '77'], 'id -G', /77/],
    [['--security-opt', 'no-new-privileges', '--cap-drop', 'ALL'], 'grep CapEff /proc/self/status', /\t0+$/],
    [
      ['--memory', '64m', '--pids-limit', '50'],
      'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; :',
      /^67108864$/,
    ],
  ]
  for (const [options, command, expected] of cases) assert.match(await sh(command, ...options), expected, `${options}`)
  await nothingBut(rest, engine)
})

test('a start that fails when its task is there leaves nothing', async () => {
  await engine.ok('run', '-d', '--name', 'has', '-p', '127.0.0.1:8433:80', image, 'sleep', '1000')
  const failed = await engine.docker(['run', '--name', 'wants', '-p', '127.0.0.1:8433:80', image, 'true'])
  assert.match(failed.stderr, /port is already allocated|address already in use/)
  assert.equal(failed.code, 125)
  await engine.ok('rm', '-f', 'has')
  await engine.ok('start', '-a', 'wants')
  const missing = await engine.docker(['run', '--rm', image, '/no/such/program'])
  assert.equal(missing.code, 127)
  await engine.ok('rm', 'wants')
  await nothingBut(rest, engine)
})

test('restarts, kill -9 of both daemons, and an engine without a map beside it', async () => {
  const other = await startEngine()
  await other.ok('pull', '-q', image)
  await engine.ok(
    'run',
    '-d',
    '--name',
    'stays',
    '-p',
    '127.0.0.1:8432:80',
    '-v',
    'kept:/v',
    image,
    'httpd',
    '-f',
    '-h',
    '/etc',
  )
  await other.ok('run', '-d', '--name', 'stays', image, 'sleep', '1000')
  assert.match(await other.ok('exec', 'stays', 'cat', '/proc/self/uid_map'), /^\s*0\s+0\s+4294967295$/)
  const answers = async () => (await run(['curl', '-sf', 'http://127.0.0.1:8432/passwd'])).stdout.startsWith('root:')
  await eventually('the server answers', 10_000, answers)
  for (const kill of [['engine'], ['containerd'], ['engine', 'containerd']]) {
    if (kill.includes('engine')) await engine.killEngine()
    if (kill.includes('containerd')) await engine.killContainerd()
    if (kill.includes('engine')) await engine.start()
    await eventually(`the server answers after the end of ${kill}`, 10_000, answers)
    assert.equal(await engine.ok('exec', 'stays', 'sh', '-c', 'id -u && touch /v/x && stat -c %u /v/x'), '0\n0')
    await engine.ok('cp', '/etc/hostname', 'stays:/copied')
  }
  await engine.stop()
  await engine.start()
  assert.equal(await engine.ok('exec', 'stays', 'stat', '-c', '%u', '/copied'), '0')
  await engine.ok('restart', '-t', '0', 'stays')
  await eventually('the server answers after a restart', 10_000, answers)
  await other[Symbol.asyncDispose]()
  // One that goes down while nobody looks leaves nothing either.
  await engine.killEngine()
  process.kill(
    Number(readFileSync(`/proc/${await pidOfServer()}/status`, 'utf8').match(/^Pid:\s+(\d+)/m)?.[1]),
    'SIGKILL',
  )
  await engine.start()
  await engine.ok('rm', '-f', '-v', 'stays')
  await engine.ok('volume', 'rm', 'kept')
  await nothingBut(rest, engine)
})

/** The one httpd of our map. */
async function pidOfServer(): Promise<string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const found = pids.find((pid) => {
    try {
      return statSync(`/proc/${pid}`).uid === FIRST && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('httpd')
    } catch {
      return false
    }
  })
  assert.ok(found, 'the server’s process')
  return found
}
