// Our engine with a containerd that is not ours: Debian's, with its own shim and runc. The Docker CLI sees no difference.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, afterEach, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { isAlive, startEngine } from '../harness/berth.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { eventually, run } from '../harness/command.ts'
import { type OriginalEngine, relayPids, startOriginalEngine } from '../harness/original-engine.ts'
import { findProgram } from '../harness/runtime.ts'
import { frames, hijack, typing } from '../harness/stream-clients.ts'

let it: OriginalEngine
let image: string

before(async () => {
  it = await startOriginalEngine({
    runtimes: {
      other: { path: findProgram('runc') ?? 'runc' },
      noted: { runtimeType: 'io.containerd.runc.v2', options: { BinaryName: 'runc', NoNewKeyring: true } },
      logged: { path: 'runc', runtimeArgs: ['--log-format', 'json'] },
    },
  })
  image = it.image
})

after(() => it[Symbol.asyncDispose]())

/** What a failed test leaves is no other test's failure. */
afterEach(async () => {
  const ids = await ok('ps', '-aq')
  if (ids !== '') await ok('rm', '-f', '-v', ...ids.split('\n'))
})

const docker = (...args: string[]) => it.engine.docker(args, { timeoutMs: 30_000 })
const ok = (...args: string[]) => it.engine.ok(...args)
const nothingLeft = () =>
  eventually('nothing is left', 10_000, async () => {
    const left = await it.leavings()
    return left.length === 0 || Promise.reject(new Error(left.join('\n')))
  })

test('run: output by stream; codes of programs, of signals, of what cannot be started', async () => {
  const both = await docker('run', '--rm', image, 'sh', '-c', 'echo out; echo err >&2; exit 7')
  assert.deepEqual(both, { code: 7, stdout: 'out\n', stderr: 'err\n' })
  assert.equal((await docker('run', '--rm', image, 'true')).code, 0)
  assert.equal((await docker('run', '--rm', image, 'false')).code, 1)
  const refused = await docker('run', '--rm', '--pid', 'nonsense', image, 'true')
  assert.equal(refused.code, 125)
  const missing = await docker('run', '--rm', image, 'nope')
  assert.equal(missing.code, 127)
  assert.match(
    missing.stderr,
    /failed to create task for container: .*exec: "nope": executable file not found in \$PATH/,
  )
  const directory = await docker('run', '--rm', image, '/etc')
  assert.equal(directory.code, 126)
  assert.match(directory.stderr, /permission denied/)
  const outside = await docker('run', '--rm', '-v', '/dev/null:/etc', image, 'true')
  assert.equal(outside.code, 125)
  assert.match(outside.stderr, /Are you trying to mount a directory onto a file/)
  const killed = await ok('run', '-d', image, 'sleep', '1000')
  await ok('kill', killed)
  assert.equal(await ok('wait', killed), '137')
  // Not the first of its PID namespace, it dies of the signal.
  const told = await ok('run', '-d', '--pid', 'host', image, 'sleep', '1000')
  await ok('stop', told)
  assert.equal(await ok('wait', told), '143')
  await ok('rm', killed, told)
  await nothingLeft()
})

test('input: all of it arrives, its end too, for run -i and exec -i', async () => {
  const much = Buffer.alloc(3_000_000, 'x')
  const counted = await it.engine.docker(['run', '--rm', '-i', image, 'wc', '-c'], { input: much, timeoutMs: 30_000 })
  assert.deepEqual([counted.code, counted.stdout.trim()], [0, '3000000'])
  assert.deepEqual(await it.engine.docker(['run', '--rm', '-i', image, 'cat'], { input: '' }), {
    code: 0,
    stdout: '',
    stderr: '',
  })
  const id = await ok('run', '-di', image, 'sh', '-c', 'while read line; do echo "got $line"; done; echo bye')
  for (const input of ['typed', '', 'x'.repeat(200_000)])
    assert.equal((await it.engine.docker(['exec', '-i', id, 'cat'], { input })).stdout, input)
  // It was not opened for one client: the input stays open when one goes.
  for (const word of ['a', 'b']) {
    const client = await hijack(it.engine, `/v1.45/containers/${id}/attach?stream=1&stdin=1&stdout=1`)
    client.socket.end(`${word}\n`)
    await eventually('what was typed arrived', 5000, async () => (await ok('logs', id)).endsWith(`got ${word}`))
    client.socket.destroy()
  }
  await ok('rm', '-f', id)
})

test('exec: codes, streams, detached, as another user, resized; a program that is not there', async () => {
  const id = await ok('run', '-d', image, 'sleep', '1000')
  assert.deepEqual(await docker('exec', id, 'sh', '-c', 'echo in; echo wrong >&2; exit 3'), {
    code: 3,
    stdout: 'in\n',
    stderr: 'wrong\n',
  })
  const missing = await docker('exec', id, 'nope')
  assert.equal(missing.code, 127)
  assert.match(missing.stdout, /exec: "nope": executable file not found in \$PATH/)
  assert.equal((await docker('exec', id, '/etc')).code, 126)
  await ok('exec', '-d', id, 'touch', '/made')
  await eventually('it was made', 5000, async () => (await docker('exec', id, 'ls', '/made')).code === 0)
  assert.equal(
    await ok('exec', '-u', '7:8', '-e', 'A=b', '-w', '/tmp', id, 'sh', '-c', 'id -u; id -g; echo $A; pwd'),
    '7\n8\nb\n/tmp',
  )
  const created = await call(it.engine.socketPath, `POST /containers/${id}/exec`, {
    body: { AttachStdin: true, AttachStdout: true, Tty: true, Cmd: ['sh', '-c', 'read x; stty size'] },
  })
  const { Id: execId } = JSON.parse(created.body) as { Id: string }
  const inside = await hijack(it.engine, `/exec/${execId}/start`, '{"Tty":true}')
  assert.equal((await call(it.engine.socketPath, `POST /exec/${execId}/resize?h=31&w=97`)).status, 200)
  inside.socket.write('\n')
  await inside.ended
  assert.match(inside.text(), /31 97/)
  await ok('rm', '-f', id)
  await nothingLeft()
})

test('terminals under a person’s hands: run -it, attach, detach keys, exec -it', {
  skip: skipWithoutDocker28,
}, async () => {
  const shell = await typing(
    it.engine,
    ['run', '--rm', '-it', image, 'sh', '-c', 'tty; read x; echo "said $x"'],
    [{ after: '/dev/pts/0', keys: 'yes\n' }],
  )
  assert.match(shell.text, /said yes/)
  const id = await ok('run', '-dit', image, 'sh', '-c', 'while :; do echo tick; sleep 0.05; done')
  const typed = await typing(it.engine, ['attach', id], [{ after: 'tick', keys: '\x10\x11' }])
  assert.match(typed.text, /read escape sequence/)
  const exec = await typing(
    it.engine,
    ['exec', '-it', '--detach-keys', 'z', id, 'sh', '-c', 'echo in; cat'],
    [{ after: 'in', keys: 'z' }],
  )
  assert.match(exec.text, /read escape sequence/)
  const bare = await hijack(it.engine, `/containers/${id}/attach?stream=1&stdin=1&stdout=1`)
  bare.socket.write('\x10\x11')
  await bare.ended
  assert.equal(await ok('inspect', '-f', '{{.State.Running}}', id), 'true')
  await ok('rm', '-f', id)
  await nothingLeft()
})

test('attached clients see the same; one that does not read holds up neither the others nor the container', async () => {
  const script = 'read go; head -c 20000000 /dev/zero | tr "\\0" x; echo; echo done >&2'
  const id = await ok('run', '-di', '--log-opt', 'max-size=3m', '--log-opt', 'max-file=2', image, 'sh', '-c', script)
  const query = 'stream=1&stdin=1&stdout=1&stderr=1'
  const deaf = await hijack(it.engine, `/v1.45/containers/${id}/attach?${query}`)
  deaf.socket.pause()
  const one = await hijack(it.engine, `/v1.45/containers/${id}/attach?${query}`)
  const errors = await hijack(it.engine, `/v1.45/containers/${id}/attach?stream=1&stderr=1`)
  one.socket.write('go\n')
  assert.equal(await ok('wait', id), '0')
  await Promise.all([one.ended, errors.ended])
  assert.deepEqual(frames(errors.text()), ['2:done\n'])
  const payload = frames(one.text()).reduce((size, frame) => size + (frame.startsWith('1:') ? frame.length - 2 : 0), 0)
  assert.equal(payload, 20_000_001)
  deaf.socket.resume() // the engine had everything for it
  await deaf.ended
  assert.ok(frames(deaf.text()).includes('2:done\n'))
  const { LogPath } = JSON.parse(await ok('inspect', '-f', '{{json .}}', id)) as { LogPath: string }
  const sizes = await run(['sh', '-c', `stat -c %s ${LogPath} ${LogPath}.1; ls ${LogPath}.2`])
  assert.equal(sizes.code, 2, 'two files are kept')
  for (const size of sizes.stdout.trim().split('\n'))
    assert.ok(Number(size) < 3 << 20 || Number(size) - (3 << 20) < 20_000)
  await ok('rm', id)
  await nothingLeft()
})

test('logs: the file is Docker’s, followed to its end, chosen by tail and stream', async () => {
  const id = await ok(
    'run',
    '-d',
    image,
    'sh',
    '-c',
    'echo one; echo two >&2; while [ ! -e /go ]; do sleep 0.02; done; printf end',
  )
  const { LogPath } = JSON.parse(await ok('inspect', '-f', '{{json .}}', id)) as { LogPath: string }
  const follower = spawn('docker', ['logs', '-f', id], { env: { ...process.env, DOCKER_HOST: it.engine.host } })
  const closed = new Promise((resolve) => follower.once('close', resolve)) // it may be over before the exec's answer is here
  let followed = ''
  follower.stdout.on('data', (chunk: Buffer) => (followed += chunk.toString()))
  await eventually('it is followed', 5000, () => followed === 'one\n')
  await ok('exec', id, 'touch', '/go')
  await closed
  assert.equal(followed, 'one\nend')
  // Which of two streams is read first nobody says.
  const lines = readFileSync(LogPath, 'utf8').trim().split('\n').sort()
  const stamp = '"time":"\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?Z"}$'
  for (const [index, text] of [
    '"end","stream":"stdout"',
    '"one\\\\n","stream":"stdout"',
    '"two\\\\n","stream":"stderr"',
  ].entries())
    assert.match(lines[index] ?? '', new RegExp(`^{"log":${text},${stamp}`))
  assert.equal((await docker('logs', '--tail', '1', id)).stdout, 'end')
  await ok('rm', id)
})

test('pause, stats, top, update, OOM, restart, health: what the daemon is asked for', async () => {
  const id = await ok(
    'run',
    '-d',
    '--memory',
    '64m',
    '--health-cmd',
    'true',
    '--health-interval',
    '100ms',
    image,
    'sleep',
    '1000',
  )
  await eventually(
    'it is healthy',
    10_000,
    async () => (await ok('inspect', '-f', '{{.State.Health.Status}}', id)) === 'healthy',
  )
  await ok('pause', id)
  assert.equal(await ok('inspect', '-f', '{{.State.Status}}', id), 'paused')
  await ok('unpause', id)
  assert.match(await ok('top', id), /sleep 1000/)
  const { body } = await call(it.engine.socketPath, `GET /v1.43/containers/${id}/stats?stream=false&one-shot=true`)
  const stats = JSON.parse(body) as Record<
    'cpu_stats' | 'memory_stats' | 'pids_stats' | 'networks',
    Record<string, unknown>
  >
  assert.equal(stats.memory_stats['limit'], 64 << 20)
  assert.ok(Number(stats.memory_stats['usage']) > 0 && Number(stats.pids_stats['current']) >= 1)
  assert.ok((stats.cpu_stats['cpu_usage'] as { total_usage: number }).total_usage > 0)
  assert.ok('eth0' in stats.networks)
  await ok('update', '--memory', '48m', '--memory-swap', '48m', id)
  assert.equal(await ok('inspect', '-f', '{{.HostConfig.Memory}}', id), String(48 << 20))
  await ok('restart', '-t', '0', id)
  assert.equal(await ok('inspect', '-f', '{{.State.Status}}', id), 'running')
  await ok('rm', '-f', id)
  const hungry = await ok('run', '-d', '--memory', '16m', image, 'tail', '/dev/zero')
  assert.equal(await ok('wait', hungry), '137')
  assert.equal(await ok('inspect', '-f', '{{.State.OOMKilled}}', hungry), 'true')
  await ok('rm', hungry)
  await nothingLeft()
})

test('what the container is given: names, network, capabilities, seccomp, masked paths, shared namespaces, limits', async () => {
  const script =
    'cat /etc/hosts /etc/resolv.conf; hostname; grep -E "CapEff|Seccomp:" /proc/self/status; cat /proc/kcore | wc -c; ulimit -n'
  const out = await ok(
    'run',
    '--rm',
    '-h',
    'here',
    '--ulimit',
    'nofile=77',
    '--add-host',
    'x:1.2.3.4',
    image,
    'sh',
    '-c',
    script,
  )
  assert.match(out, /1\.2\.3\.4\tx/)
  assert.match(out, /nameserver/)
  assert.match(out, /\nhere\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n0\n77$/)
  const host = await ok('run', '-d', '--ipc', 'shareable', image, 'sh', '-c', 'echo kept >/dev/shm/x; exec sleep 1000')
  assert.equal(await ok('run', '--rm', '--ipc', `container:${host}`, image, 'cat', '/dev/shm/x'), 'kept')
  assert.match(await ok('run', '--rm', '--pid', `container:${host}`, image, 'ps'), /sleep 1000/)
  const address = await ok('exec', host, 'ip', '-4', '-o', 'addr', 'show', 'eth0')
  assert.equal(
    await ok('run', '--rm', '--net', `container:${host}`, image, 'ip', '-4', '-o', 'addr', 'show', 'eth0'),
    address,
  )
  await ok('rm', '-f', host)
  for (const runtime of ['other', 'noted', 'logged', 'io.containerd.runc.v2'])
    assert.equal(await ok('run', '--rm', '--runtime', runtime, image, 'echo', 'by', runtime), `by ${runtime}`)
  await nothingLeft()
})

test('images: containerd’s collector keeps what is named and takes what is not', async () => {
  const collect = async () => {
    await it.ctr('leases', 'create', '--id', 'now')
    await it.ctr('leases', 'rm', '--sync', 'now')
  }
  await collect()
  assert.equal(await ok('run', '--rm', image, 'echo', 'still there'), 'still there')
  const id = await ok('create', image, 'echo', 'kept by its container')
  await ok('rmi', '-f', image)
  await collect()
  assert.equal(await ok('start', '-a', id), 'kept by its container')
  await ok('rm', id)
  await ok('image', 'prune', '-f')
  await collect()
  await eventually('nothing of the image is left', 5000, async () => {
    const left = [await it.ctr('content', 'ls', '-q'), await it.ctr('images', 'ls', '-q')].join('')
    return left === '' && (await it.ctr('snapshots', 'ls')).split('\n').length === 1
  })
  await ok('pull', '-q', image)
  assert.match(await ok('images'), /busybox/)
})

const counting = 'i=0; while [ ! -e /stop ]; do i=$((i+1)); echo $i; usleep 1000; done; echo end'

/** `1 … n` and `end`: none missing, none twice. */
function assertCounted(text: string): void {
  const lines = text.trim().split('\n')
  assert.equal(lines.pop(), 'end')
  const wrong = lines.findIndex((line, index) => line !== String(index + 1))
  assert.equal(wrong, -1, `line ${wrong + 1} is ${lines[wrong]}`)
}

test('kill -9 of either daemon, and of both: no line is lost or doubled, and everything goes on', async () => {
  const { engine, containerd } = it
  const id = await ok('run', '-di', image, 'sh', '-c', `read go; ${counting}`)
  const client = await hijack(engine, `/v1.45/containers/${id}/attach?stream=1&stdin=1&stdout=1`)
  client.socket.write('go\n')
  const lastLine = async () => Number((await ok('logs', '--tail', '1', id)).trim())
  for (const kills of [['engine'], ['containerd'], ['engine', 'containerd'], ['containerd', 'engine']] as const) {
    const seen = await eventually('it prints', 5000, lastLine)
    for (const which of kills) await (which === 'engine' ? engine.killEngine() : containerd.kill())
    if (kills.includes('containerd' as never)) await containerd.start()
    if (kills.includes('engine' as never)) await engine.start()
    await eventually('it prints on', 10_000, async () => (await lastLine()) > seen)
    await eventually('exec works', 10_000, async () => (await docker('exec', id, 'true')).code === 0)
  }
  const again = await hijack(engine, `/v1.45/containers/${id}/attach?stream=1&stdout=1`)
  await docker('exec', id, 'touch', '/stop') // killed, if the container sees the file and ends before it does
  assert.equal(await ok('wait', id), '0')
  await again.ended
  assert.match(again.text(), /end\n$/)
  assertCounted(await ok('logs', id))
  await ok('rm', id)
  await nothingLeft()
})

for (const away of ['engine', 'containerd', 'both'] as const)
  test(`what ends while there is no ${away} has its code and the whole of its log`, () => endWithout(away))

async function endWithout(away: 'engine' | 'containerd' | 'both'): Promise<void> {
  const { engine, containerd } = it
  const id = await ok('run', '-d', image, 'sh', '-c', `${counting}; exit 9`)
  const pid = Number(await ok('inspect', '-f', '{{.State.Pid}}', id))
  await eventually('it prints', 5000, async () => (await ok('logs', id)).length > 100)
  if (away !== 'containerd') await engine.killEngine()
  if (away !== 'engine') await containerd.kill()
  await run(['touch', `/proc/${pid}/root/stop`])
  await eventually('it has ended', 10_000, () => !isAlive(pid))
  if (away !== 'engine') await containerd.start()
  if (away !== 'containerd') await engine.start()
  assert.equal(await ok('wait', id), '9')
  assertCounted(await ok('logs', id))
  await ok('rm', id)
  await nothingLeft()
}

test('two engines at one containerd share its images, and leave each other’s containers alone', async () => {
  const id = await ok('run', '-d', image, 'sleep', '1000')
  const created = await ok('create', image, 'true')
  {
    await using other = await startEngine({ args: ['--containerd', it.containerd.address] })
    assert.equal(await other.ok('ps', '-aq'), '')
    assert.equal(await other.ok('run', '--rm', '--net', 'none', image, 'echo', 'by the other'), 'by the other')
  }
  assert.equal((await docker('exec', id, 'true')).code, 0)
  assert.equal((await docker('start', '-a', created)).code, 0)
  await ok('rm', '-f', id, created)
  await nothingLeft()
})

test('a relay that is killed is replaced: the program is neither stopped nor told', async () => {
  const { engine } = it
  const id = await ok('run', '-d', image, 'sh', '-c', `trap "echo SIGPIPE; exit 13" PIPE; ${counting}; exit 4`)
  const [relay = 0] = relayPids(engine.directory, id)
  const size = async () => (await ok('logs', id)).length
  const before = await eventually('it prints', 5000, async () => (await size()) || undefined)
  process.kill(relay, 'SIGKILL')
  await eventually('another is there', 5000, () => relayPids(engine.directory, id).some((pid) => pid !== relay))
  await eventually('it prints on', 5000, async () => (await size()) > before)
  // Without an engine nobody replaces it; the one that comes does.
  await engine.killEngine()
  for (const pid of relayPids(engine.directory, id)) process.kill(pid, 'SIGKILL')
  await engine.start()
  const middle = await size()
  await eventually('it prints on', 5000, async () => (await size()) > middle)
  await docker('exec', id, 'touch', '/stop') // killed, if the container sees the file and ends before it does
  assert.equal(await ok('wait', id), '4')
  const lines = (await ok('logs', id)).trim().split('\n')
  assert.equal(lines.at(-1), 'end')
  assert.equal(new Set(lines).size, lines.length, 'none is doubled')
  await ok('rm', id)
  await nothingLeft()
})

test('an engine that is killed in the middle of starts and execs leaves nothing', async () => {
  const { engine } = it
  for (const delayMs of [30, 80, 150]) {
    const starts = [1, 2, 3].map(() => docker('run', '--rm', image, 'sleep', '0.2').catch(() => undefined))
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    await engine.killEngine()
    await Promise.all(starts)
    await engine.start()
  }
  const ids = await ok('ps', '-aq')
  if (ids !== '') await ok('rm', '-f', ...ids.split('\n'))
  await nothingLeft()
})
