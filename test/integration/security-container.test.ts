// What a hostile program or image tries from inside a container, by the advisory that taught it. Each test names the line that stops it.
import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, statSync, writeSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { buildAttacker, pushHostile } from '../harness/attacker.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'

let engine: BusyboxEngine
let image: string
let attacker: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
  attacker = await buildAttacker(engine.directory)
})

after(() => engine[Symbol.asyncDispose]())

const runs = (...words: string[]) => engine.docker(['run', '--rm', ...words])

async function pidOf(id: string): Promise<number> {
  return Number(await engine.ok('inspect', '-f', '{{.State.Pid}}', id))
}

async function bundleOf(id: string): Promise<string> {
  const full = await engine.ok('inspect', '-f', '{{.Id}}', id)
  return join(engine.directory, 'exec/containerd/state/tasks/moby', full)
}

// CVE-2019-5736. Stopped by sealProgram in spawn-shim.ts: with the program's own path instead, no memfd is found; without F_ADD_SEALS the
// write succeeds.
test('the program that runs containers is a sealed copy, which nobody can write to', async () => {
  const self = await runs('--entrypoint', '/proc/self/exe', image)
  assert.notEqual(self.code, 0)
  const fds = `/proc/${engine.containerdPid()}/fd`
  const copies = readdirSync(fds).filter((fd) => isLinkTo(join(fds, fd), '/memfd:berth-shim'))
  assert.equal(copies.length, 1)
  await eventually('no shim runs it', 5000, () => {
    try {
      const fd = openSync(join(fds, copies[0]!), 'r+')
      try {
        assert.throws(() => writeSync(fd, 'x', 0), { code: 'EPERM' })
      } finally {
        closeSync(fd)
      }
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ETXTBSY') return false
      throw error
    }
  })
})

function isLinkTo(path: string, prefix: string): boolean {
  try {
    return readlinkSync(path).startsWith(prefix)
  } catch {
    return false
  }
}

// CVE-2016-9962. Stopped by PR_SET_DUMPABLE in native/main.c, which its children inherit: without it the watcher prints the shim's bundle.
test('a container cannot look into a process on its way in', async () => {
  const id = await engine.ok(
    'run',
    '-d',
    '-v',
    `${attacker}:/attacker:ro`,
    image,
    '/attacker',
    'watch',
    '1',
    engine.directory,
  )
  for (let i = 0; i < 15; i++) await engine.ok('exec', id, 'true')
  assert.equal(await engine.ok('logs', id), '')
  await engine.ok('rm', '-f', id)
})

// CVE-2024-21626, its first half. Stopped by place_descriptors in native/process.c and the close-fds step of plan-process.ts.
test('no descriptor of the host reaches a process of a container', async () => {
  const id = await engine.ok('run', '-d', '-i', image, 'sleep', '1000')
  const own = (pid: number) => readdirSync(`/proc/${pid}/fd`).sort()
  assert.deepEqual(own(await pidOf(id)), ['0', '1', '2'])
  await engine.ok('exec', '-d', id, 'sleep', '1001')
  const found = await eventually('the exec runs', 5000, async () => {
    const list = (await engine.ok('top', id, '-o', 'pid,args')).split('\n').find((line) => line.includes('1001'))
    return list?.trim().split(/\s+/)[0]
  })
  assert.deepEqual(own(Number(found)), ['0', '1', '2'])
  await engine.ok('rm', '-f', id)
})

// CVE-2024-21626, its second half. Stopped by RESOLVE_NO_MAGICLINKS in step_make_path and by getcwd in step_chdir (native/): without the
// latter the exec below prints the host's root.
test('a working directory cannot lie outside', async () => {
  for (const where of [
    '/proc/self/fd/3',
    '/proc/self/fd/4',
    '/proc/self/fd/7',
    '/proc/1/root',
    '/proc/self/cwd/../../..',
  ])
    assert.doesNotMatch((await runs('-w', where, image, 'ls')).stdout, /\bdata\b|\bworkdir\b/, where)
  const id = await engine.ok('run', '-d', '--pid', 'host', image, 'sleep', '1000')
  const outside = `/proc/${process.pid}/root`
  const into = await engine.docker(['exec', '-w', outside, id, 'cat', 'etc/hostname'])
  assert.notEqual(into.code, 0, into.stdout)
  assert.match(into.stderr + into.stdout, /chdir to cwd/)
  for (let fd = 3; fd < 12; fd++)
    assert.notEqual((await engine.docker(['exec', '-w', `/proc/self/fd/${fd}`, id, 'pwd'])).code, 0)
  await engine.ok('rm', '-f', id)
})

// CVE-2022-24769 and its siblings. Stopped by plan-capabilities.ts: with the bounding set as inheritable CapInh shows it.
test('no capability is inheritable or ambient', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  const grep = ['grep', '-E', 'CapInh|CapAmb', '/proc/self/status']
  const none = 'CapInh:\t0000000000000000\nCapAmb:\t0000000000000000'
  for (const more of [[], ['-u', '1000'], ['--privileged'], ['--cap-add', 'NET_ADMIN', '-u', '1000']]) {
    assert.equal(await engine.ok('run', '--rm', ...more, image, ...grep), none, `run ${more}`)
    if (more[0] !== '--cap-add') assert.equal(await engine.ok('exec', ...more, id, ...grep), none, `exec ${more}`)
  }
  await engine.ok('rm', '-f', id)
})

// CVE-2026-31431. Stopped by the socket rules of seccomp-default.ts.
test('sockets into kernel code that needs none from inside are refused', async () => {
  const socket = async (...words: string[]) =>
    (await runs('-v', `${attacker}:/a:ro`, image, '/a', 'socket', ...words)).stdout.trim()
  assert.notEqual(await socket('38', '5'), 'ok', 'AF_ALG')
  assert.notEqual(await socket('40', '1'), 'ok', 'AF_VSOCK')
  assert.equal(await socket('2', '1'), 'ok', 'AF_INET')
})

// CVE-2022-36109. Stopped by process-spec.ts and build-process.ts, which put the primary group into the list.
test('the list of groups holds the primary one, so that a set-group-ID program does not lose it', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  const groups = ['sh', '-c', 'grep Groups: /proc/self/status']
  for (const verb of [['run', '--rm'], ['exec']] as const) {
    const where = verb[0] === 'exec' ? id : image
    assert.equal((await engine.ok(...verb, '-u', 'user', where, ...groups)).trim(), 'Groups:\t29 1000', verb[0])
    assert.equal((await engine.ok(...verb, '-u', '1234:77', where, ...groups)).trim(), 'Groups:\t77', verb[0])
  }
  await engine.ok('rm', '-f', id)
})

// CVE-2024-40635, 2026-46680, 2026-30892. Stopped by parseId in resolve-user.ts.
test('numbers of users are numbers, and have a range', async () => {
  for (const user of ['4294967296', '2147483648', '-1', '0:4294967296', '18446744073709551616']) {
    const result = await runs('-u', user, image, 'id', '-u')
    assert.equal(result.code, 125, user)
    assert.match(result.stderr, /uids and gids must be in range/, user)
  }
  const id = await engine.ok(
    'run',
    '-d',
    image,
    'sh',
    '-c',
    'echo 1000:x:0:0::/:/bin/sh > /etc/passwd; exec sleep 1000',
  )
  await eventually('it is written', 5000, async () =>
    (await engine.ok('exec', id, 'wc', '-l', '/etc/passwd')).startsWith('1 '),
  )
  assert.equal(await engine.ok('exec', '-u', '1000', id, 'id', '-u'), '1000')
  assert.equal(await engine.ok('exec', '-u', '1', id, 'id', '-u'), '1')
  await engine.ok('rm', '-f', id)
})

// CVE-2024-9676, 2026-47262. Stopped by readFileInRoot in linux/read-file-in-root.ts: without its look at the kind of file the first
// exec waits for ever.
test('a user database that is a FIFO, a device, a link to the host or huge harms nobody', async () => {
  const id = await engine.ok('run', '-d', image, 'sleep', '1000')
  const cases = [
    'mkfifo /etc/passwd',
    'mknod /etc/passwd c 1 5',
    'ln -s /../../../../../../proc/self/fd/0 /etc/passwd',
    'ln -s /etc/passwd /etc/passwd',
    'dd if=/dev/zero of=/etc/passwd bs=1M count=1 seek=3000 2>/dev/null',
    'mkdir /etc/passwd',
  ]
  for (const script of cases) {
    await engine.ok('exec', id, 'sh', '-c', `rm -rf /etc/passwd; ${script}`)
    assert.equal((await engine.docker(['exec', '-u', '1000', id, 'true'], { timeoutMs: 10_000 })).code, 0, script)
    const named = await engine.docker(['exec', '-u', 'user', id, 'true'], { timeoutMs: 10_000 })
    assert.match(named.stderr + named.stdout, /unable to find user user/, script)
  }
  await engine.ok('rm', '-f', id)
})

// CVE-2022-0811. Stopped by checkValue and sysctlPath in plan-sysctls.ts, and by namespaced keys alone.
test('a sysctl cannot carry another one, nor one of the host', async () => {
  const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
  for (const sysctls of [
    { 'kernel.core_pattern': '|/x' },
    { 'net.ipv4.ip_forward': '1\nkernel.core_pattern=|/x' },
    { 'net/../kernel/core_pattern': '|/x' },
    { 'net.ipv4.../../kernel/core_pattern': '|/x' },
    { 'fs.mqueue../../kernel/core_pattern': '|/x' },
  ] as Record<string, string>[]) {
    const { status, id } = await createRaw(
      JSON.stringify({ Image: image, Cmd: ['true'], HostConfig: { Sysctls: sysctls } }),
    )
    if (status !== 201) continue
    assert.notEqual((await engine.docker(['start', id])).code, 0, JSON.stringify(sysctls))
    await engine.ok('rm', '-f', id)
  }
  assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), before)
})

async function createRaw(body: string): Promise<{ status: number; id: string }> {
  const { request } = await import('node:http')
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: engine.socketPath,
        path: '/v1.43/containers/create',
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        let text = ''
        response.on('data', (part: Buffer) => {
          text += part.toString()
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, id: (JSON.parse(text) as { Id?: string }).Id ?? '' }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

// CVE-2023-27561, 2023-28642, 2026-41579, 2024-45310, 2022-23648, 2021-30465. Stopped by openat2's RESOLVE_IN_ROOT in native/steps-files.c,
// in readFileInRoot and in copyUp (volumes.ts).
test('an image full of links to the host keeps them to itself', async () => {
  const host = join(engine.directory, 'host')
  await mkdir(join(host, 'secret'), { recursive: true })
  await writeFile(join(host, 'secret/file'), 'host secret')
  const up = '../'.repeat(20)
  const name = `${engine.registry.host}/links`
  await pushHostile(
    engine.registry.host,
    'links',
    `rmdir dev && ln -s ${up}${host} dev
     ln -s ${host}/secret data; ln -s ${up}${host}/made work; ln -s ${host} tmpfs
     rm etc/passwd && ln -s ${host}/secret/file etc/passwd
     ln -s ${up}${host}/resolv etc/resolv.conf; ln -s ${host}/secret/file etc/hosts
     mkdir -p esc; ln -s ${up}${host}/secret esc/link`,
    {
      Volumes: { '/data': {}, '/esc/link': {}, [`/${up}${host}/secret`]: {} },
      WorkingDir: '/work',
      Labels: {
        'containerd.io/gc.root': 'x',
        'com.docker.plugin': '/bin/sh',
        'io.containerd.image.log_uri': 'binary:///bin/sh',
      },
    },
  )
  await engine.ok('pull', name)
  const before = listAll(host)
  const seen = await runs(
    '--tmpfs',
    '/tmpfs',
    name,
    'sh',
    '-c',
    'pwd -P; cut -d" " -f5 /proc/self/mountinfo; cat /data/* /esc/link/* /etc/passwd; touch /dev/x /data/x /work/x',
  )
  assert.doesNotMatch(seen.stdout + seen.stderr, /host secret/)
  // Where the links lead to, but inside.
  const lines = seen.stdout.split('\n')
  assert.equal(lines[0], `${host}/made`, seen.stderr)
  for (const place of [host, `${host}/secret`]) assert.ok(lines.includes(place), place)
  assert.deepEqual(listAll(host), before)
})

function listAll(directory: string): string[] {
  return readdirSync(directory, { recursive: true }).map(String).sort()
}

test('an image whose /proc or /sys is a link has a directory there instead, and nothing is mounted where it leads', async () => {
  for (const [place, type] of [
    ['proc', 'proc'],
    ['sys', 'sysfs'],
  ] as const) {
    const name = `${engine.registry.host}/no-${place}`
    await pushHostile(engine.registry.host, `no-${place}`, `rmdir ${place} && ln -s /tmp ${place}`)
    const { code, stdout } = await runs(name, 'sh', '-c', `stat -c %F /${place}; cat /proc/mounts; ls -A /tmp`)
    assert.equal(code, 0, place)
    assert.match(stdout, /^directory\n/)
    assert.match(stdout, new RegExp(`^${type} /${place} ${type} `, 'm'))
    assert.doesNotMatch(stdout, / \/tmp |^self$|^kernel$/m)
  }
})

// CVE-2019-16884, 2019-19921. Stopped by checkDestination in plan-mounts.ts; by a link, the real procfs is only covered, and nothing is
// written through the container's.
test('nothing is mounted over /proc, and what is reached by a link shows no more than before', async () => {
  for (const place of ['/proc', '/proc/sys', '//proc/./sys/', '/tmp/../proc/self/attr'])
    assert.notEqual((await runs('-v', `/tmp:${place}`, image, 'true')).code, 0, place)
  await pushHostile(engine.registry.host, 'proc-link', 'ln -s /proc link; ln -s /proc/sys link-sys')
  const name = `${engine.registry.host}/proc-link`
  // What is written is what is there already, in case that it arrives.
  const panic = readFileSync('/proc/sys/kernel/panic', 'utf8').trim()
  const probe = `cat /proc/keys 2>/dev/null | wc -c; echo ${panic} > /proc/sys/kernel/panic && echo WRITTEN`
  for (const place of ['/link', '/link-sys']) {
    const { stdout } = await runs('-v', place, name, 'sh', '-c', probe)
    assert.doesNotMatch(stdout, /WRITTEN/, place)
  }
  assert.doesNotMatch((await runs(image, 'sh', '-c', probe)).stdout, /WRITTEN/)
})

// CVE-2025-31133. Stopped by the device check in step_mask (native/steps-mount.c): without it the image's file is what covers the path.
test('a false /dev/null hides nothing, so that the container is refused', async () => {
  const dev = join(engine.directory, 'false-dev')
  await mkdir(dev)
  await writeFile(join(dev, 'null'), 'not a device')
  const result = await runs('-v', `${dev}:/dev`, image, 'cat', '/proc/keys')
  assert.notEqual(result.code, 0)
  assert.doesNotMatch(result.stdout, /not a device/)
})

// The kernel forgets the parent-death signal of whoever executes a set-user-ID file. Stopped by killAll in track-exits.ts.
test('a set-user-ID entry point does not outlive its shim', async () => {
  await pushHostile(engine.registry.host, 'suid', `cp ${attacker} suid && chown 0:0 suid && chmod 4755 suid`, {
    User: '1000',
  })
  const id = await engine.ok('run', '-d', `${engine.registry.host}/suid`, '/suid', 'sleep', '1000')
  await eventually('it is root', 5000, async () => (await engine.ok('logs', id)) === '0')
  const pid = await pidOf(id)
  process.kill(Number(readFileSync(join(await bundleOf(id), 'shim.pid'), 'utf8')), 'SIGKILL')
  await eventually('the process is gone', 5000, () => !existsSync(`/proc/${pid}`))
  await eventually(
    'the engine knows',
    5000,
    async () => (await engine.ok('inspect', '-f', '{{.State.Running}}', id)) === 'false',
  )
  await engine.ok('rm', '-f', id)
})

// CVE-2020-15257, 2021-41091, 2021-41103, 2024-25621. Stopped by the modes in lock-root.ts, open-engine.ts, open-tasks.ts, listen.ts and
// native/main.c.
test('sockets, records and data are root’s alone', async () => {
  const id = await engine.ok('run', '-d', '-v', 'named:/v', image, 'sleep', '1000')
  const bundle = await bundleOf(id)
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
  const full = await engine.ok('inspect', '-f', '{{.Id}}', id)
  assert.deepEqual(
    ['data', 'data/containerd', 'exec/streams', 'exec/netns', 'exec/containerd/state/tasks'].map((path) => [
      path,
      mode(join(engine.directory, path)),
    ]),
    [
      ['data', '710'],
      ['data/containerd', '700'],
      ['exec/streams', '700'],
      ['exec/netns', '700'],
      ['exec/containerd/state/tasks', '711'], // each bundle in it is closed in itself
    ],
  )
  assert.equal(mode(bundle), '700')
  for (const path of [
    `${bundle}/shim.sock`,
    `${bundle}/task.json`,
    join(engine.directory, 'exec/streams', full),
    join(engine.directory, 'exec/containerd/containerd.sock'),
  ])
    assert.equal(mode(path), '600', path)
  assert.match(mode(engine.socketPath), /^6[06]0$/)
  assert.equal(statSync(engine.socketPath).uid, 0)
  const abstract = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .filter((line) => /\s@.*(?:berth|shim|containerd)/.test(line))
  assert.deepEqual(abstract, [])
  await engine.ok('rm', '-f', '-v', id)
  await engine.docker(['volume', 'rm', 'named'])
})

// CVE-2025-9074, and the same through the shared network of the host. Stopped by unix sockets alone, with no path into a container.
test('no daemon listens where a container could reach it', async () => {
  const pids = new Set([engine.enginePid(), engine.containerdPid()])
  const sockets = new Set(
    [...pids].flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]]
        } catch {
          return []
        }
      }),
    ),
  )
  const listening = ['tcp', 'tcp6', 'udp', 'udp6', 'raw'].flatMap((kind) =>
    readFileSync(`/proc/net/${kind}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      // Connections that the engine made itself are in state 01.
      .filter((fields) => fields[9] !== undefined && fields[3] !== '01' && sockets.has(fields[9])),
  )
  assert.deepEqual(listening, [])
  const bridge = readdirSync('/proc/sys/net/ipv6/conf').filter((name) => name.startsWith('br-'))
  // CVE-2020-13401: ensureBridge in network/bridge.ts.
  for (const name of bridge)
    assert.equal(readFileSync(`/proc/sys/net/ipv6/conf/${name}/accept_ra`, 'utf8').trim(), '0', name)
  assert.ok(bridge.length > 0)
})
