// The options of `docker run`, each proved from inside the container.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { run } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { type TestRegistry, startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let image: string
/** An image with an entrypoint, a user, volumes, ports and a working directory of its own. */
let rich: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  image = `${registry.host}/busybox`
  rich = `${registry.host}/rich`
  await pushBusybox(registry.host)
  await pushBusybox(registry.host, 'rich:latest', {
    Entrypoint: ['/bin/echo', 'entry'],
    Cmd: ['command'],
    Env: ['PATH=/bin', 'FROM=image'],
    WorkingDir: '/var/www',
    Volumes: { '/var/data': {}, '/home/user': {} },
    ExposedPorts: { '8080/tcp': {}, '53/udp': {} },
    Labels: { 'from.image': 'yes' },
  })
  await engine.ok('pull', '-q', image)
  await engine.ok('pull', '-q', rich)
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  // A parent that a user names stays, like Docker's.
  await run(['sh', '-c', 'rmdir /sys/fs/cgroup/*/berth-test /sys/fs/cgroup/berth-test 2>/dev/null'])
})

/** `docker run --rm <options> <image> sh -c <script>`. */
const sh = (options: readonly string[], script: string) =>
  engine.ok('run', '--rm', ...options, image, 'sh', '-c', script)
const fails = async (args: readonly string[], code: number, text: RegExp) => {
  const result = await engine.docker(['run', '--rm', ...args])
  assert.match(result.stderr, text)
  assert.equal(result.code, code, result.stderr)
}

type Row = readonly [what: string, options: readonly string[], script: string, expected: string | RegExp]

const CGROUP = '/sys/fs/cgroup'
const PROVED: Row[] = [
  ['--workdir, which is made', ['-w', '/made/here'], 'pwd; stat -c %u:%a .', '/made/here\n0:755'],
  ['--user by name', ['-u', 'user'], 'id -u; id -g; id -G', '1000\n1000\n1000 29'],
  ['--user with a group by name', ['-u', 'user:audio'], 'id -u; id -g; id -G', '1000\n29\n29'],
  ['--user by numbers that nobody has', ['-u', '4321:1234'], 'id -u; id -g; id -G', '4321\n1234\n1234'],
  ['--group-add', ['--group-add', 'wheel', '--group-add', '77'], 'id -G', /^0 (?=.*\b10\b)(?=.*\b77\b)/],
  [
    '--hostname and --domainname',
    ['--hostname', 'h', '--domainname', 'd.example'],
    'hostname; cat /proc/sys/kernel/domainname; grep -c "h.d.example h" /etc/hosts',
    'h\nd.example\n1',
  ],
  [
    '--add-host',
    ['--add-host', 'db:10.1.2.3', '--add-host', 'gw:host-gateway'],
    'grep -E "db|gw" /etc/hosts',
    /^10\.1\.2\.3\tdb\n\d+\.\d+\.\d+\.1\tgw$/,
  ],
  [
    '--dns, --dns-search, --dns-option',
    ['--dns', '10.9.8.7', '--dns-search', 'x.example', '--dns-option', 'ndots:3'],
    'grep -v "^#" /etc/resolv.conf',
    'search x.example\nnameserver 10.9.8.7\noptions ndots:3',
  ],
  [
    '--tmpfs',
    ['--tmpfs', '/t:size=1m,mode=1700'],
    'stat -c %a /t; df -k /t | tail -1 | tr -s " " | cut -d" " -f2; mount | grep -c "on /t type tmpfs"',
    '1700\n1024\n1',
  ],
  [
    '--mount type=tmpfs',
    ['--mount', 'type=tmpfs,target=/t,tmpfs-size=2m,tmpfs-mode=0755'],
    'stat -c %a /t; df -k /t | tail -1 | tr -s " " | cut -d" " -f2',
    '755\n2048',
  ],
  ['--shm-size', ['--shm-size', '3m'], 'df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2', '3072'],
  [
    '--device',
    ['--device', '/dev/full:/dev/brim:r'],
    'ls /dev/brim; head -c1 /dev/brim | wc -c; echo 2>/dev/null >/dev/brim || echo refused',
    '/dev/brim\n1\nrefused',
  ],
  ['--cap-drop ALL', ['--cap-drop', 'ALL'], 'grep CapEff /proc/self/status', 'CapEff:\t0000000000000000'],
  [
    '--cap-drop ALL --cap-add chown',
    ['--cap-drop', 'ALL', '--cap-add', 'chown'],
    'grep CapEff /proc/self/status',
    'CapEff:\t0000000000000001',
  ],
  ['the default capabilities', [], 'grep CapBnd /proc/self/status', 'CapBnd:\t00000000a80425fb'],
  [
    '--security-opt no-new-privileges',
    ['--security-opt', 'no-new-privileges'],
    'grep NoNewPrivs /proc/self/status',
    'NoNewPrivs:\t1',
  ],
  [
    'the default seccomp profile',
    [],
    'grep Seccomp: /proc/self/status; unshare -U true 2>&1 | tail -1',
    /Seccomp:\t2\n.*not permitted/,
  ],
  [
    '--security-opt seccomp=unconfined',
    ['--security-opt', 'seccomp=unconfined'],
    'grep Seccomp: /proc/self/status',
    'Seccomp:\t0',
  ],
  [
    '--privileged',
    ['--privileged'],
    'grep Seccomp: /proc/self/status; ls /dev/loop-control /dev/kmsg 2>/dev/null | head -1; test -w /proc/sys/kernel/shmmax && echo writable',
    /^Seccomp:\t0\n(?:\/dev\/\S+\n)?writable$/,
  ],
  [
    '--ulimit',
    ['--ulimit', 'nofile=123:456', '--ulimit', 'core=0'],
    'ulimit -Sn; ulimit -Hn; ulimit -c',
    '123\n456\n0',
  ],
  [
    '--sysctl',
    ['--sysctl', 'net.ipv4.ip_forward=1', '--sysctl', 'kernel.msgmax=4096'],
    'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax',
    '1\n4096',
  ],
  [
    '--read-only',
    ['--read-only', '--tmpfs', '/run'],
    'touch /x 2>&1 | grep -c "Read-only"; touch /run/x && echo fine',
    '1\nfine',
  ],
  ['--init', ['--init'], 'cat /proc/1/comm; ls -l /sbin/docker-init >/dev/null && echo there', /^docker-init\nthere$/],
  ['--pids-limit', ['--pids-limit', '33'], `cat ${CGROUP}/pids/pids.max 2>/dev/null || cat ${CGROUP}/pids.max`, '33'],
  [
    '--memory and --memory-swap',
    ['-m', '32m', '--memory-swap', '32m'],
    `cat ${CGROUP}/memory/memory.limit_in_bytes 2>/dev/null || cat ${CGROUP}/memory.max`,
    '33554432',
  ],
  ['--cpus', ['--cpus', '0.5'], `cat ${CGROUP}/cpu/cpu.cfs_quota_us 2>/dev/null || cat ${CGROUP}/cpu.max`, /^50000/],
  [
    '--cpu-shares',
    ['--cpu-shares', '512'],
    `cat ${CGROUP}/cpu/cpu.shares 2>/dev/null || cat ${CGROUP}/cpu.weight`,
    /^(512|20)$/,
  ],
  ['--cpuset-cpus', ['--cpuset-cpus', '0'], 'grep Cpus_allowed_list /proc/self/status', 'Cpus_allowed_list:\t0'],
  ['--oom-score-adj', ['--oom-score-adj', '321'], 'cat /proc/self/oom_score_adj', '321'],
  ['--network none', ['--network', 'none'], 'ls /sys/class/net', 'lo'],
  ['--network host', ['--network', 'host'], 'readlink /proc/self/ns/net', readlinkHere()],
  ['--pid host', ['--pid', 'host'], 'test $$ -gt 100 && ps -o args | grep -c "[b]erthd"', /^[1-9]\d*$/],
  ['--uts host', ['--uts', 'host'], 'readlink /proc/self/ns/uts', readlinkHere('uts')],
  ['--ipc host', ['--ipc', 'host'], 'readlink /proc/self/ns/ipc', readlinkHere('ipc')],
  ['--mac-address', ['--mac-address', '02:42:0a:0b:0c:0d'], 'cat /sys/class/net/eth0/address', '02:42:0a:0b:0c:0d'],
  ['--tty gives TERM', ['-t'], 'echo $TERM', 'xterm'],
  ['--cgroup-parent', ['--cgroup-parent', '/berth-test'], 'cat /proc/self/cgroup', /\/berth-test\//],
  [
    'the variables that are always there',
    [],
    'env | grep -E "^(PATH|HOME|HOSTNAME)=" | sort | sed "s/HOSTNAME=.*/HOSTNAME/"',
    'HOME=/root\nHOSTNAME\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  ],
]

/** The engine lives in the test's namespaces. */
function readlinkHere(name = 'net'): string {
  return readlinkSync(`/proc/self/ns/${name}`)
}

describe('seen from inside', () => {
  for (const [what, options, script, expected] of PROVED)
    test(what, async () => {
      const output = (await sh(options, script)).replaceAll('\r', '')
      if (typeof expected === 'string') assert.equal(output, expected)
      else assert.match(output, expected)
    })
})

describe('namespaces of others', () => {
  test('--network container:x sees its addresses, --pid container:x its processes, --ipc container:x its /dev/shm', async () => {
    await engine.ok(
      'run',
      '-d',
      '--name',
      'host-of',
      '--ipc',
      'shareable',
      image,
      'sh',
      '-c',
      'echo mine > /dev/shm/x; sleep 1000',
    )
    const address = await engine.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'host-of')
    assert.match(
      await sh(['--network', 'container:host-of'], 'ip -4 addr show eth0; hostname'),
      new RegExp(`inet ${address}/`),
    )
    assert.match(await sh(['--pid', 'container:host-of'], 'cat /proc/1/cmdline | tr "\\0" " "'), /^sleep 1000/)
    assert.equal(await sh(['--ipc', 'container:host-of'], 'cat /dev/shm/x'), 'mine')
    await fails(
      ['--network', 'container:host-of', '-p', '80', image, 'true'],
      125,
      /conflicting options: port publishing and the container type network mode/,
    )
    await fails(
      ['--network', 'container:host-of', '--hostname', 'x', image, 'true'],
      125,
      /conflicting options: hostname and the network mode/,
    )
    await engine.ok('rm', '-f', 'host-of')
    await fails(['--network', 'container:host-of', image, 'true'], 125, /No such container: host-of/)
  })

  test('a network that does not exist', () =>
    fails(['--network', 'nope', image, 'true'], 125, /network nope not found/))
})

describe('what the image says', () => {
  test('entrypoint, command, environment and directory, and how they are replaced', async () => {
    assert.equal(await engine.ok('run', '--rm', rich), 'entry command')
    assert.equal(await engine.ok('run', '--rm', rich, 'mine'), 'entry mine')
    assert.equal(await engine.ok('run', '--rm', '--entrypoint', '/bin/pwd', rich), '/var/www')
    assert.equal(await engine.ok('run', '--rm', '--entrypoint', '', rich, 'sh', '-c', 'echo $FROM $PATH'), 'image /bin')
    assert.equal(await engine.ok('run', '--rm', '--entrypoint', 'sh', '-e', 'FROM=me', rich, '-c', 'echo $FROM'), 'me')
    await fails(['--entrypoint', '', rich], 125, /no command specified/)
  })

  test('its labels are the container’s, its own on top', async () => {
    const id = await engine.ok('create', '--label', 'mine=1', rich)
    assert.deepEqual(JSON.parse(await engine.ok('inspect', '-f', '{{json .Config.Labels}}', id)), {
      'from.image': 'yes',
      mine: '1',
    })
    await engine.ok('rm', id)
  })

  test('an environment file', async () => {
    writeFileSync(`${engine.directory}/env`, '# comment\nX=from file\nY=y\n')
    assert.equal(await sh(['--env-file', `${engine.directory}/env`, '-e', 'Y=z'], 'echo $X $Y'), 'from file z')
  })

  test('refusals in Docker’s words', { skip: skipWithoutDocker28 }, async () => {
    await fails(
      ['-u', 'nobody-such', image, 'true'],
      125,
      /unable to find user nobody-such: no matching entries in passwd file/,
    )
    await fails(
      ['-w', 'relative', image, 'true'],
      125,
      /the working directory 'relative' is invalid, it needs to be an absolute path/,
    )
    await fails(['--cap-add', 'nope', image, 'true'], 125, /invalid CapAdd: unknown capability: "CAP_NOPE"/)
    await fails(['--security-opt', 'nope=1', image, 'true'], 125, /invalid --security-opt 2?: ?"?nope=1/)
    await fails(
      ['--network', 'host', '--sysctl', 'net.ipv4.ip_forward=1', image, 'true'],
      125,
      /sysctl "net\.ipv4\.ip_forward" not allowed in host network namespace/,
    )
    await fails(['--restart', 'always', image, 'true'], 125, /conflicting options/)
    await fails(['--storage-opt', 'size=1G', image, 'true'], 125, /--storage-opt is/)
    await fails(
      ['--network-alias', 'x', image, 'true'],
      125,
      /network-scoped aliases are only supported for user-defined networks/,
    )
  })
})

describe('seccomp=profile.json', () => {
  test('a profile of one’s own is obeyed', async () => {
    const profile = `${engine.directory}/profile.json`
    const denied = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [denied] }))
    const output = await sh(['--security-opt', `seccomp=${profile}`], 'mkdir /x 2>&1; true')
    assert.match(output, /Function not implemented/)
  })
})

describe('volumes', () => {
  const volume = (name: string) => `${engine.directory}/data/volumes/${name}/_data`
  const volumes = () => {
    try {
      return readdirSync(`${engine.directory}/data/volumes`)
    } catch {
      return []
    }
  }

  test('a named volume keeps what is written, is read-only where asked, and stays when its containers go', async () => {
    await sh(['-v', 'kept:/v'], 'echo one > /v/file')
    assert.equal(await sh(['-v', 'kept:/v:ro'], 'cat /v/file; touch /v/x 2>&1 | grep -c Read-only'), 'one\n1')
    assert.equal(readFileSync(`${volume('kept')}/file`, 'utf8'), 'one\n')
    assert.equal(await sh(['--mount', 'type=volume,src=kept,dst=/w,readonly'], 'cat /w/file'), 'one')
  })

  test('a new volume gets what the image has there, an old one and nocopy do not', async () => {
    await sh(['-v', 'copied:/etc'], 'true')
    assert.match(readFileSync(`${volume('copied')}/passwd`, 'utf8'), /^root:/)
    await sh(['-v', 'bare:/etc:nocopy'], 'true')
    assert.ok(!readdirSync(volume('bare')).includes('passwd'))
    assert.equal(await sh(['-v', 'copied:/tmp'], 'ls /tmp | grep -c passwd'), '1')
  })

  test('anonymous volumes go with --rm and with rm -v, but not with rm', async () => {
    const before = volumes()
    await engine.ok('run', '--rm', '-v', '/anon', image, 'touch', '/anon/x')
    await engine.ok('run', '--rm', rich)
    assert.deepEqual(volumes(), before)
    const id = await engine.ok('create', rich)
    assert.equal(volumes().length, before.length + 2)
    await engine.ok('rm', '-v', id)
    assert.deepEqual(volumes(), before)
    const other = await engine.ok('create', '-v', '/anon', '-v', 'kept:/kept', image)
    await engine.ok('rm', other)
    assert.equal(volumes().length, before.length + 1)
  })

  test('binds: a missing source is made, a file is one, ro holds; --mount insists', async () => {
    const source = `${engine.directory}/made/for/you`
    await sh(['-v', `${source}:/b`], 'echo x > /b/y')
    assert.equal(readFileSync(`${source}/y`, 'utf8'), 'x\n')
    assert.equal(
      await sh(['-v', `${source}/y:/etc/y:ro`], 'cat /etc/y; echo z 2>&1 >/etc/y | grep -c Read-only'),
      'x\n1',
    )
    await fails(
      ['--mount', `type=bind,src=${source}/none,dst=/b`, image, 'true'],
      125,
      /bind source path does not exist/,
    )
    mkdirSync(`${source}/sub`)
    assert.equal(await sh(['--mount', `type=bind,src=${source},dst=/b,readonly`], 'ls /b'), 'sub\ny')
  })

  test('--volumes-from brings volumes and binds, read-only where asked', async () => {
    await engine.ok(
      'create',
      '--name',
      'data',
      '-v',
      'kept:/kept',
      '-v',
      '/anon',
      '-v',
      `${engine.directory}/made:/made:ro`,
      image,
    )
    const seen = 'cat /kept/file; ls -d /anon; ls /made; touch /made/x 2>&1 | grep -c Read-only'
    assert.equal(await sh(['--volumes-from', 'data'], seen), 'one\n/anon\nfor\n1')
    assert.equal(await sh(['--volumes-from', 'data:ro'], 'touch /kept/x 2>&1 | grep -c Read-only'), '1')
    await fails(['--volumes-from', 'nobody', image, 'true'], 125, /No such container: nobody/)
    const using = await engine.ok('create', '--volumes-from', 'data', image)
    await engine.ok('rm', '-v', 'data')
    assert.equal(await engine.ok('start', '-a', using), '')
    await engine.ok('rm', '-v', using)
  })
})

describe('ports', () => {
  test('-P publishes what image and --expose name; -p takes ranges, addresses and udp', {
    skip: skipWithoutDocker28,
  }, async () => {
    const all = await engine.ok('run', '-d', '-P', '--expose', '9000-9001', '--entrypoint', 'sleep', rich, '1000')
    const ports = await engine.ok('port', all)
    for (const port of ['8080/tcp', '53/udp', '9000/tcp', '9001/tcp'])
      assert.match(ports, new RegExp(`${port} -> 0\\.0\\.0\\.0:\\d+`))
    const some = await engine.ok(
      'run',
      '-d',
      '-p',
      '127.0.0.1:18080-18081:80-81',
      '-p',
      '19000-19010:90',
      '-p',
      '15353:53/udp',
      image,
      'sleep',
      '1000',
    )
    assert.deepEqual((await engine.ok('port', some)).split('\n').sort(), [
      '53/udp -> 0.0.0.0:15353',
      '53/udp -> [::]:15353',
      '80/tcp -> 127.0.0.1:18080',
      '81/tcp -> 127.0.0.1:18081',
      '90/tcp -> 0.0.0.0:19000',
      '90/tcp -> [::]:19000',
    ])
    const next = await engine.ok('run', '-d', '-p', '19000-19010:90', image, 'sleep', '1000')
    assert.match(await engine.ok('port', next), /90\/tcp -> 0\.0\.0\.0:19001/)
    await fails(['-p', '18080:80', image, 'true'], 125, /Bind for 0\.0\.0\.0:18080 failed: port is already allocated/)
    await engine.ok('rm', '-f', all, some, next)
  })
})
