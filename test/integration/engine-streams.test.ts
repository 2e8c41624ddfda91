// Standard streams of containers by the Docker CLI and over bare HTTP: attaching, detaching, terminals and logs.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { call } from '../harness/api.ts'
import { eventually } from '../harness/command.ts'
import { frames, hijack, typing } from '../harness/stream-clients.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
})

after(() => engine[Symbol.asyncDispose]())

describe('attach', () => {
  test('input that has ended before the container is started ends the input of its process', async () => {
    const id = await engine.ok('create', '-i', image, 'cat')
    const client = await hijack(engine, `/v1.45/containers/${id}/attach?stream=1&stdin=1&stdout=1`)
    client.socket.end()
    // Answered behind it: the engine has seen the end by then.
    for (let i = 0; i < 5; i++) await call(engine.socketPath, 'GET /_ping')
    await call(engine.socketPath, `POST /containers/${id}/start`)
    assert.equal(await engine.ok('wait', id), '0')
    await engine.ok('rm', id)
  })

  test('logs=1 replays, two clients see the same, and input of both arrives', async () => {
    const script = 'echo old; while read line; do echo "got $line"; done; echo bye'
    const id = await engine.ok('create', '-i', image, 'sh', '-c', script)
    await call(engine.socketPath, `POST /containers/${id}/start`)
    await eventually('it has spoken', 5000, async () => (await engine.ok('logs', id)) === 'old')
    const query = 'stream=1&stdin=1&stdout=1&stderr=1'
    const one = await hijack(engine, `/v1.45/containers/${id}/attach?logs=1&${query}`)
    const two = await hijack(engine, `/v1.45/containers/${id}/attach?${query}`)
    await eventually('the log is replayed', 5000, () => one.text().includes('old'))
    one.socket.write('a\n')
    await eventually('both see a', 5000, () => one.text().includes('got a') && two.text().includes('got a'))
    two.socket.write('b\n')
    await eventually('both see b', 5000, () => one.text().includes('got b') && two.text().includes('got b'))
    assert.deepEqual(frames(one.text()), ['1:old\n', '1:got a\n', '1:got b\n'])
    assert.deepEqual(frames(two.text()), ['1:got a\n', '1:got b\n'])
    // Without StdinOnce the end of one client's input is not the end of the program's.
    one.socket.end()
    two.socket.write('c\n')
    await eventually('the other goes on', 5000, () => two.text().includes('got c'))
    await engine.ok('rm', '-f', id)
    await Promise.all([one.ended, two.ended])
  })

  test('logs=1 without stream ends, and of a stopped container, too', async () => {
    const id = await engine.ok('create', image, 'sh', '-c', 'echo one; echo two >&2')
    await engine.ok('start', '-a', id)
    const replay = await hijack(engine, `/v1.45/containers/${id}/attach?logs=1&stdout=1&stderr=1`)
    await replay.ended
    assert.deepEqual(frames(replay.text()).sort(), ['1:one\n', '2:two\n'])
    const onlyErrors = await hijack(engine, `/v1.45/containers/${id}/attach?logs=1&stderr=1`)
    await onlyErrors.ended
    assert.deepEqual(frames(onlyErrors.text()), ['2:two\n'])
    await engine.ok('rm', id)
  })

  test('detach keys leave the program running, and events tell of it', async () => {
    const id = await engine.ok('run', '-dit', image, 'sh', '-c', 'while :; do echo tick; sleep 0.05; done')
    const from = String(Date.now() / 1000)
    const typed = await typing(engine, ['attach', id], [{ after: 'tick', keys: '\x10\x11' }])
    assert.match(typed.text, /read escape sequence/)
    assert.equal(await engine.ok('inspect', '-f', '{{.State.Running}}', id), 'true')
    const own = await typing(engine, ['attach', '--detach-keys', 'ctrl-a,x', id], [{ after: 'tick', keys: '\x01x' }])
    assert.match(own.text, /read escape sequence/)
    const exec = await typing(
      engine,
      ['exec', '-it', '--detach-keys', 'z', id, 'sh', '-c', 'echo in; cat'],
      [{ after: 'in', keys: 'z' }],
    )
    assert.match(exec.text, /read escape sequence/)
    // The CLI finds the keys itself; other clients leave that to the engine.
    const bare = await hijack(engine, `/containers/${id}/attach?stream=1&stdin=1&stdout=1`)
    bare.socket.write('\x10\x11')
    await bare.ended
    const created = await call(engine.socketPath, `POST /containers/${id}/exec`, {
      body: { AttachStdin: true, AttachStdout: true, Tty: true, DetachKeys: 'z', Cmd: ['cat'] },
    })
    const { Id: execId } = JSON.parse(created.body) as { Id: string }
    const inside = await hijack(engine, `/exec/${execId}/start`, '{"Tty":true}')
    inside.socket.write('a')
    await eventually('the terminal echoes', 5000, () => inside.text() === 'a')
    inside.socket.write('z')
    await inside.ended
    const view = await call(engine.socketPath, `GET /exec/${execId}/json`)
    assert.equal((JSON.parse(view.body) as { Running: boolean }).Running, true)
    const events = await engine.ok(
      'events',
      '--since',
      from,
      '--until',
      String(Date.now() / 1000),
      '--format',
      '{{.Action}}',
    )
    assert.deepEqual(
      events.split('\n').filter((action) => action.includes('detach')),
      ['detach', 'exec_detach'],
    )
    const bad = await call(engine.socketPath, `POST /containers/${id}/attach?stream=1&detachKeys=nope`)
    assert.equal(bad.status, 400)
    await engine.ok('rm', '-f', id)
  })
})

describe('terminals', () => {
  test('resize reaches the program, of a container and of an exec', async () => {
    const id = await engine.ok(
      'run',
      '-dit',
      image,
      'sh',
      '-c',
      'trap "stty size" WINCH; echo up; while :; do sleep 0.02; done',
    )
    await eventually('it listens', 5000, async () => (await engine.ok('logs', id)).includes('up'))
    assert.equal((await call(engine.socketPath, `POST /containers/${id}/resize?h=31&w=97`)).status, 200)
    await eventually('the program was told', 5000, async () => (await engine.ok('logs', id)).includes('31 97'))
    const created = await call(engine.socketPath, `POST /containers/${id}/exec`, {
      body: {
        AttachStdin: true,
        AttachStdout: true,
        Tty: true,
        Cmd: ['sh', '-c', 'trap "stty size; exit" WINCH; echo on; while :; do sleep 0.02; done'],
      },
    })
    const { Id: exec } = JSON.parse(created.body) as { Id: string }
    const client = await hijack(engine, `/exec/${exec}/start`, '{"Tty":true}')
    await eventually('the exec listens', 5000, () => client.text().includes('on'))
    assert.equal((await call(engine.socketPath, `POST /exec/${exec}/resize?h=12&w=34`)).status, 200)
    await client.ended
    assert.match(client.text(), /12 34/)
    const bad = await call(engine.socketPath, `POST /containers/${id}/resize?h=a&w=1`)
    assert.equal(bad.status, 400)
    assert.match(bad.text, /strconv\.Atoi: parsing "a": invalid syntax/)
    await engine.ok('rm', '-f', id)
    const down = await engine.ok('create', '-t', image)
    assert.equal((await call(engine.socketPath, `POST /containers/${down}/resize?h=1&w=1`)).status, 409)
    await engine.ok('rm', down)
  })

  test('a client’s window is the program’s: the first size and a change', { skip: skipWithoutDocker28 }, async () => {
    const script =
      'docker run --rm -it --name window $0 sh -c "stty size; until stty size | grep -x \\"33 44\\"; do sleep 0.02; done"'
    const child = spawn(
      'script',
      [
        '-qec',
        `stty rows 20 cols 70; (until docker logs window 2>/dev/null | grep -q "20 70"; do :; done; stty rows 33 cols 44 </dev/tty; kill -WINCH $(pgrep -nf "docker run.*--name window")) & ${script.replace('$0', image)}`,
        '/dev/null',
      ],
      {
        env: {
          ...process.env,
          DOCKER_HOST: engine.host,
          DOCKER_CONFIG: `${engine.directory}/docker-config`,
          TERM: 'xterm',
        },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    )
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    const limit = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await new Promise((resolve) => child.once('close', resolve))
    clearTimeout(limit)
    assert.match(text, /20 70[\s\S]*33 44/)
  })
})

describe('logs', () => {
  const SCRIPT = 'echo one; echo two >&2; sleep 1.1; echo three; printf part'

  test('--since, --until, --tail, -t and --details', async () => {
    const id = await engine.ok(
      'create',
      '--log-opt',
      'labels=a',
      '--log-opt',
      'env=E',
      '--label',
      'a=b c',
      '-e',
      'E=v',
      image,
      'sh',
      '-c',
      SCRIPT,
    )
    await engine.ok('start', '-a', id)
    const lines = (await engine.docker(['logs', '-t', id])).stdout.trimEnd().split('\n')
    assert.equal(lines.length, 3)
    const [first = '', three = ''] = lines.map((line) => line.split(' ')[0])
    assert.equal(await engine.ok('logs', '--since', three, id), 'three\npart')
    const early = await engine.docker(['logs', '--until', first, id])
    assert.equal(early.stdout, 'one\n')
    assert.equal((await engine.docker(['logs', '--since', '100s', '--tail', '1', id])).stdout, 'part')
    assert.equal((await engine.docker(['logs', '--tail', '0', id])).stdout, '')
    assert.equal((await engine.docker(['logs', '--tail', '-1', id])).stdout, 'one\nthree\npart')
    assert.equal((await engine.docker(['logs', id])).stderr, 'two\n')
    assert.equal(
      (await engine.docker(['logs', '--details', '--tail', '2', id])).stdout,
      'E=v,a=b+c three\nE=v,a=b+c part',
    )
    const neither = await call(engine.socketPath, `GET /containers/${id}/logs`)
    assert.deepEqual([neither.status, neither.text], [400, 'Bad parameters: you must choose at least one stream'])
    await engine.ok('rm', id)
  })

  test('-f goes on across a rotation, and max-size and max-file bound the files', async () => {
    const id = await engine.ok(
      'create',
      '--log-opt',
      'max-size=20k',
      '--log-opt',
      'max-file=3',
      image,
      'sh',
      '-c',
      'i=0; while [ $i -lt 900 ]; do echo "line $i $(printf %050d 0)"; i=$((i+1)); done; echo done',
    )
    const following = engine.docker(['logs', '-f', id]) // of a container that does not run: ends at once
    assert.equal((await following).stdout, '')
    await engine.ok('start', id)
    const followed = await engine.docker(['logs', '-f', '--tail', 'all', id])
    assert.match(followed.stdout, /line 899 0+\ndone\n$/)
    const directory = `${engine.directory}/data/containers/${id}`
    const files = readdirSync(directory).filter((name) => name.includes('-json.log'))
    assert.deepEqual(files.sort(), [`${id}-json.log`, `${id}-json.log.1`, `${id}-json.log.2`])
    for (const name of files) assert.ok(statSync(`${directory}/${name}`).size <= 21_000)
    const kept = (await engine.ok('logs', id)).split('\n')
    assert.ok(kept.length > 100 && kept.length < 901)
    const numbers = kept.slice(0, -1).map((line) => Number(line.split(' ')[1]))
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, index) => 900 - numbers.length + index),
    )
    await engine.ok('rm', id)
    const bad = await engine.docker(['run', '--rm', '--log-opt', 'max-size=x', image])
    assert.match(bad.stderr, /failed to initialize logging driver: invalid size: 'x'/)
    assert.match(
      (await engine.docker(['create', '--log-opt', 'nope=1', image])).stderr,
      /unknown log opt 'nope' for json-file log driver/,
    )
  })

  test('--log-driver none keeps nothing and says so', async () => {
    const id = await engine.ok('create', '--log-driver', 'none', image, 'echo', 'x')
    assert.equal(await engine.ok('start', '-a', id), 'x')
    assert.match((await engine.docker(['logs', id])).stderr, /configured logging driver does not support reading/)
    await engine.ok('rm', id)
  })

  test('a line longer than 16 KiB is one line to its reader', async () => {
    const id = await engine.ok('create', image, 'sh', '-c', 'head -c 40000 /dev/zero | tr "\\0" x; echo; echo end')
    await engine.ok('start', '-a', id)
    assert.equal((await engine.docker(['logs', id])).stdout, `${'x'.repeat(40000)}\nend\n`)
    assert.equal((await engine.docker(['logs', '-t', '--tail', '1', id])).stdout.split(' ')[1], 'end\n')
    await engine.ok('rm', id)
  })
})

test('exec: streams, codes, directory, user, environment, and its end with the container', async () => {
  const id = await engine.ok('run', '-d', '-e', 'A=1', '-u', 'user', image, 'sleep', '1000')
  const exec = (...args: string[]) => engine.docker(['exec', ...args])
  assert.deepEqual(await exec(id, 'sh', '-c', 'echo o; echo e >&2; exit 5'), { code: 5, stdout: 'o\n', stderr: 'e\n' })
  assert.equal(
    (await exec('-w', '/tmp', '-u', 'root', '-e', 'B=2', id, 'sh', '-c', 'pwd; id -u; echo $A$B')).stdout,
    '/tmp\n0\n12\n',
  )
  assert.equal((await exec(id, 'id', '-u')).stdout, '1000\n')
  assert.match(
    (await exec('--privileged', '-u', '0', id, 'grep', 'CapEff', '/proc/self/status')).stdout,
    /[1-9a-f]f{6}/,
  )
  const running = exec(id, 'sleep', '1000')
  const created = await eventually('it is listed', 5000, async () => {
    const [{ ExecIDs }] = JSON.parse(await engine.ok('inspect', id)) as [{ ExecIDs: string[] | null }]
    return ExecIDs?.[0]
  })
  const view = JSON.parse((await call(engine.socketPath, `GET /exec/${created}/json`)).body) as Record<string, unknown>
  assert.deepEqual([view['Running'], view['ExitCode'], view['ContainerID']], [true, null, id])
  await engine.ok('kill', id)
  assert.equal((await running).code, 137)
  await engine.ok('rm', id)
  const ended = JSON.parse((await call(engine.socketPath, `GET /exec/${created}/json`)).body) as Record<string, unknown>
  assert.deepEqual([ended['Running'], ended['ExitCode']], [false, 137])
})
