// docker run and its relatives, by the real Docker CLI and by ours, against our engine.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { clientsOf, type TestClient } from '../harness/clients.ts'
import { eventually } from '../harness/command.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let clients: Record<TestClient['name'], TestClient>
let image: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  image = `${registry.host}/busybox`
  const [docker, berth] = clientsOf(engine) as [TestClient, TestClient]
  clients = { docker, berth }
  await docker.ok('pull', image)
})

after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

for (const name of ['docker', 'berth'] as const) {
  describe(`with ${name}`, () => {
    const client = () => clients[name]

    test('run --rm prints what the program prints, on the stream it chose', async () => {
      const result = await client().run(['run', '--rm', image, 'sh', '-c', 'echo out; echo err >&2'])
      assert.deepEqual(result, { code: 0, stdout: 'out\n', stderr: 'err\n' })
      assert.equal(await client().ok('ps', '-aq'), '')
    })

    const exits: [string, string[], number][] = [
      ['0 of true', ['true'], 0],
      ['1 of false', ['false'], 1],
      ['42 of a shell', ['sh', '-c', 'exit 42'], 42],
      ['126 where the program is not executable', ['/etc/passwd'], 126],
      ['127 where there is no such program', ['no-such-program'], 127],
      ['137 of SIGKILL', ['sh', '-c', 'kill -9 $$'], 137],
    ]
    for (const [what, command, code] of exits)
      test(`run exits with ${what}`, async () => {
        // `kill -9 $$` of PID 1 in its namespace does nothing: it is run below a shell.
        const words = code === 137 ? ['sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?'] : command
        assert.equal((await client().run(['run', '--rm', image, ...words])).code, code)
        assert.equal(await client().ok('ps', '-aq'), '')
      })

    test('run exits with 125 on a bad flag and on an engine error', async () => {
      assert.equal((await client().run(['run', '--no-such-flag', image])).code, 125)
      const memory = await client().run(['run', '--rm', '-m', '1k', image, 'true'])
      assert.equal(memory.code, 125)
      assert.match(memory.stderr, /Minimum memory limit allowed is 6MB/)
    })

    test('run -i passes standard input through to its end', async () => {
      const input = `${'x'.repeat(100)}\n`.repeat(5000)
      const result = await client().run(['run', '--rm', '-i', image, 'cat'], { input })
      assert.equal(result.stdout.length, input.length)
      assert.equal(result.stdout, input)
    })

    test('run -it gives a terminal', async () => {
      const result = await client().runInPty(
        ['run', '--rm', '-it', image, 'sh', '-c', 'tty; stty size >/dev/null && echo sized'],
        '',
      )
      assert.equal(result.code, 0)
      assert.match(result.stdout, /\/dev\/pts\/0/)
      assert.match(result.stdout, /sized/)
    })

    test('run -d, ps, logs, exec, stop and rm', async () => {
      const id = await client().ok(
        'run',
        '-d',
        '--name',
        `web-${name}`,
        image,
        'sh',
        '-c',
        'trap "exit 0" TERM; echo up; while :; do sleep 0.1; done',
      )
      assert.match(id, /^[0-9a-f]{64}$/)
      assert.match(await client().ok('ps'), new RegExp(`${id.slice(0, 12)}.*Up .*web-${name}`))
      await eventually('the log has a line', 5000, async () => (await client().ok('logs', id)) === 'up')
      assert.equal(await client().ok('exec', id, 'hostname'), id.slice(0, 12))
      assert.equal((await client().run(['exec', id, 'sh', '-c', 'exit 7'])).code, 7)
      assert.equal((await client().run(['exec', '-i', id, 'cat'], { input: 'hello' })).stdout, 'hello')
      assert.equal((await client().run(['exec', id, 'nope'])).code, 127)
      assert.match((await client().runInPty(['exec', '-it', id, 'tty'], '')).stdout, /\/dev\/pts\//)
      assert.equal(await client().ok('stop', id), id)
      assert.match(await client().ok('ps', '-a'), /Exited \(0\)/)
      assert.equal(await client().ok('rm', id), id)
      assert.equal(await client().ok('ps', '-aq'), '')
    })

    test('logs -f follows until the container ends', async () => {
      const id = await client().ok(
        'run',
        '-d',
        image,
        'sh',
        '-c',
        'for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done',
      )
      const followed = await client().run(['logs', '-f', id])
      assert.equal(followed.stdout, 'line 1\nline 2\nline 3\nline 4\nline 5\n')
      assert.equal(await client().ok('logs', '--tail', '2', id), 'line 4\nline 5')
      assert.match(await client().ok('logs', '-t', '--tail', '1', id), /^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z line 5$/)
      await client().ok('rm', id)
    })

    test('kill -s and wait', async () => {
      const id = await client().ok('run', '-d', image, 'sh', '-c', 'trap "exit 3" USR1; while :; do sleep 0.05; done')
      const waiting = client().ok('wait', id)
      await eventually('the trap is set', 5000, async () => {
        await client().run(['kill', '-s', 'USR1', id])
        return !(await client().ok('ps', '-q', '--no-trunc')).includes(id)
      })
      assert.equal(await waiting, '3')
      await client().ok('rm', id)
      const sleeper = await client().ok('run', '-d', image, 'sleep', '1000')
      const terminated = client().ok('wait', sleeper)
      await client().ok('kill', sleeper)
      assert.equal(await terminated, '137')
      await client().ok('rm', '-f', sleeper)
    })

    test('a signal to the client reaches the container: 143', async () => {
      const started = client().run([
        'run',
        '--rm',
        '--init=false',
        '--name',
        `term-${name}`,
        image,
        'sh',
        '-c',
        'sleep 1000 & trap "kill $!; exit 143" TERM; wait',
      ])
      await eventually(
        'it runs',
        5000,
        async () => (await client().ok('ps', '-q', '--filter', `name=term-${name}`)) !== '',
      )
      await client().ok('stop', `term-${name}`)
      assert.equal((await started).code, 143)
    })

    test('create, start -a, attach and restart', async () => {
      const id = await client().ok('create', '--name', `made-${name}`, image, 'sh', '-c', 'echo once; exit 5')
      assert.match(await client().ok('ps', '-a'), /Created/)
      const attached = await client().run(['start', '-a', id])
      assert.equal(attached.stdout, 'once\n')
      assert.equal(attached.code, 5)
      assert.equal((await client().run(['start', '-a', id])).stdout, 'once\n')
      assert.equal(await client().ok('logs', id), 'once\nonce')
      await client().ok('rm', id)
    })

    test('errors have Docker’s words and codes', async () => {
      const missing = await client().run(['rm', 'not-there'])
      assert.equal(missing.code, 1)
      assert.match(missing.stderr, /No such container: not-there/)
      const unknown = await client().run(['run', '--rm', `${registry.host}/nothing`, 'true'])
      assert.equal(unknown.code, 125)
      assert.match(unknown.stderr, /Unable to find image '.*\/nothing:latest' locally/)
      await client().ok('create', '--name', 'taken', image)
      const taken = await client().run(['create', '--name', 'taken', image])
      assert.match(
        taken.stderr,
        /Conflict\. The container name "\/taken" is already in use by container "[0-9a-f]{64}"\. You have to remove \(or rename\) that container/,
      )
      await client().ok('rm', 'taken')
    })

    test('inspect, images, version and info answer', async () => {
      assert.match(await client().ok('images'), /busybox\s+latest/)
      assert.match(await client().ok('version'), /Server:/)
      assert.match(await client().ok('info'), /Containers: 0/)
      const id = await client().ok('create', '--name', 'seen', '-e', 'A=b', '-w', '/tmp', image, 'env')
      const [inspected] = JSON.parse(await client().ok('inspect', id)) as [
        { Id: string; Config: { Env: string[]; WorkingDir: string }; State: { Status: string } },
      ]
      assert.equal(inspected.Id, id)
      assert.equal(inspected.State.Status, 'created')
      assert.ok(inspected.Config.Env.includes('A=b'))
      assert.equal(await client().ok('inspect', '-f', '{{.Config.WorkingDir}}', id), '/tmp')
      await client().ok('rm', id)
    })
  })
}
