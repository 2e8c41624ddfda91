// `berth logs` against the Docker CLI's, with every flag, at the same engine.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { eventually } from '../harness/command.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { untilExited } from '../harness/log-engines.ts'

let engine: BusyboxEngine
let image: string

before(async () => {
  engine = await startBusyboxEngine()
  ;({ image } = engine)
  const options = ['--label', 'tier=front end', '--log-opt', 'labels=tier', '--log-opt', 'tag={{.Name}}']
  const script = `echo one; echo two >&2; printf '\\000\\377\\n'; head -c 20000 /dev/zero | tr '\\0' x; echo; sleep 2; echo last`
  await engine.ok('run', '-d', '--name', 'teller', ...options, image, 'sh', '-c', script)
  await engine.ok('run', '-d', '--name', 'quiet', '--log-driver', 'none', image, 'true')
  await engine.ok('run', '-d', '-t', '--name', 'terminal', image, 'sh', '-c', 'echo on a terminal')
  for (const name of ['teller', 'quiet', 'terminal']) await untilExited(engine, name)
})

after(() => engine[Symbol.asyncDispose]())

const LINES: readonly (readonly string[])[] = [
  ['teller'],
  ['-t', 'teller'],
  ['--timestamps', '--details', 'teller'],
  ['-n', '2', 'teller'],
  ['--tail', '0', 'teller'],
  ['--tail=-1', 'teller'],
  ['--tail', 'all', 'teller'],
  ['--tail', 'some', 'teller'],
  ['-f', 'teller'],
  ['--follow', '-n1', 'teller'],
  ['--since', '1h', 'teller'],
  ['--since', '2006-01-02T15:04:05', 'teller'],
  ['--since', '2106-01-02', 'teller'],
  ['--until', '2006-01-02T15:04:05.5Z', 'teller'],
  ['--until', '-1h', 'teller'],
  ['--since', 'yesterday', 'teller'],
  ['--until', 'tomorrow', 'teller'],
  ['terminal'],
  ['-t', '--details', 'terminal'],
  ['quiet'],
  ['nobody'],
  [],
  ['teller', 'terminal'],
  ['--nonsense', 'teller'],
  ['-n'],
]

test('prints, says and exits as the Docker CLI does', { skip: skipWithoutDocker28 }, async () => {
  for (const args of LINES) {
    const [ours, theirs] = [await engine.berth(['logs', ...args]), await engine.docker(['logs', ...args])]
    const named = (text: string) => text.replace(/\bdocker\b/g, 'berth')
    assert.deepEqual(
      [ours.code, ours.stdout, named(ours.stderr)],
      [theirs.code, theirs.stdout, named(theirs.stderr)],
      `logs ${args.join(' ')}`,
    )
  }
})

describe('GET /containers/{id}/logs', () => {
  test('wants a stream, a container, and a driver that can be read', async () => {
    const of = (path: string) => call(engine.socketPath, `GET /v1.45/containers/${path}`)
    assert.deepEqual(await of('teller/logs').then(({ status, text }) => [status, text]), [
      400,
      'Bad parameters: you must choose at least one stream',
    ])
    assert.equal((await of('teller/logs?stdout=0&stderr=false')).status, 400)
    assert.deepEqual(await of('nobody/logs?stdout=1').then(({ status, text }) => [status, text]), [
      404,
      'No such container: nobody',
    ])
    assert.deepEqual(await of('quiet/logs?stdout=1').then(({ status, text }) => [status, text]), [
      501,
      'configured logging driver does not support reading',
    ])
  })

  test('a follower ends with the run that it follows, and the log has every run', async () => {
    const id = await engine.ok(
      'run',
      '-d',
      '--restart',
      'on-failure:2',
      image,
      'sh',
      '-c',
      'echo run; sleep 0.3; exit 1',
    )
    const followed = await engine.docker(['logs', '-f', id], { timeoutMs: 60_000 })
    assert.match(followed.stdout, /^run\n/)
    await eventually(
      'all three are over',
      60_000,
      async () => (await engine.ok('inspect', '-f', '{{.RestartCount}} {{.State.Running}}', id)) === '2 false',
    )
    assert.equal(await engine.ok('logs', id), 'run\nrun\nrun')
    await engine.ok('rm', id)
    assert.match((await engine.docker(['logs', id])).stderr, /No such container/)
  })
})
