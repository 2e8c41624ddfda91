// Requests that cannot be granted, by the Docker CLI and by hand: Docker's status, its words, and nothing left behind.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { type BusyboxEngine, startBusyboxEngine } from '../harness/busybox-engine.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { call } from '../harness/api.ts'
import { listLeavings, makeInitLayer, nothingBut } from '../harness/leavings.ts'

let engine: BusyboxEngine
let image: string
let rest: string[]

before(async () => {
  engine = await startBusyboxEngine({ cgroups: 'own' })
  ;({ image } = engine)
  await makeInitLayer(engine, image)
  rest = await listLeavings(engine)
})

after(() => engine[Symbol.asyncDispose]())

test('commands that are not there, not executable or a directory', async () => {
  for (const [command, code, words] of [
    ['no-such', 127, /exec: "no-such": executable file not found in \$PATH/],
    ['/no/such', 127, /exec: "\/no\/such": (?:stat \/no\/such: )?no such file or directory/],
    ['/etc/passwd', 126, /exec: "\/etc\/passwd": permission denied/],
    ['/etc', 126, /exec: "\/etc": (?:is a directory|permission denied)/],
  ] as const) {
    const run = await engine.docker(['run', '--rm', '-p', '0:80', image, command])
    assert.equal(run.code, code, run.stderr)
    assert.match(run.stderr, words)
  }
  await nothingBut(rest, engine)
})

test('options that cannot be', { skip: skipWithoutDocker28 }, async () => {
  for (const [options, words] of [
    [['-u', 'nobody-here'], /unable to find user nobody-here: no matching entries in passwd file/],
    [['-u', '0:nobody-here'], /unable to find group nobody-here: no matching entries in group file/],
    [['--mount', 'type=bind,source=/no/such,target=/x'], /bind source path does not exist: \/no\/such/],
    [['-v', '/tmp:/proc'], /cannot be mounted because it is not of type proc/],
    [['-v', '/tmp:/proc/sys'], /inside \/proc/],
    [['-m', '1m'], /Minimum memory limit allowed is 6MB/],
    [['--cpus', '1000'], /range of CPUs is from 0\.01 to \d+\.00, as there are only \d+ CPUs available/],
    [['--cap-add', 'nope'], /unknown capability/i],
    [
      ['--device', '/dev/no-such'],
      /error gathering device information while adding custom device "\/dev\/no-such": no such file or directory/,
    ],
    [
      ['--sysctl', 'kernel.core_pattern=|/x'],
      /is not in a separate kernel namespace|sysctl 'kernel\.core_pattern=\|\/x' is not allowed/,
    ],
    [
      ['--restart', 'always'],
      /conflicting options|can't create 'AutoRemove' container with restart policy|Conflicting options: --restart and --rm/i,
    ],
    [['--runtime', 'nope'], /unknown or invalid runtime name: nope/],
    [['--network', 'nope'], /network nope not found/],
    [['--name', 'a/b'], /Invalid container name \(a\/b\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/],
    [['--log-driver', 'nope'], /nope/],
    [['-w', 'relative'], /the working directory 'relative' is invalid, it needs to be an absolute path/],
  ] as const) {
    const run = await engine.docker(['run', '--rm', ...options, image, 'true'])
    assert.ok(run.code === 125 || run.code === 126 || run.code === 127, `${options.join(' ')}: ${run.code}`)
    assert.match(run.stderr, words, options.join(' '))
  }
  await nothingBut(rest, engine)
})

test('a port that a container or another program has', async () => {
  const server = createServer().listen(0, '0.0.0.0')
  await once(server, 'listening')
  const taken = (server.address() as AddressInfo).port
  const other = await engine.docker(['run', '--rm', '-p', `${taken}:80`, image, 'true'])
  assert.equal(other.code, 125)
  assert.match(other.stderr, /address already in use|port is already allocated/)
  server.close()
  await once(server, 'close')
  await engine.ok('run', '-d', '--name', 'holder', '-p', '127.0.0.1:23456:80', image, 'sleep', '1000')
  const ours = await engine.docker(['run', '--rm', '-p', '127.0.0.1:23456:80', image, 'true'])
  assert.equal(ours.code, 125)
  assert.match(ours.stderr, /Bind for 127\.0\.0\.1:23456 failed: port is already allocated/)
  await engine.ok('rm', '-f', 'holder')
  await nothingBut(rest, engine)
})

test('bodies that are no JSON, of the wrong type, kind or size', async () => {
  const create = 'POST /v1.43/containers/create'
  for (const [body, words] of [
    ['{', /invalid JSON: unexpected EOF/],
    ['hello', /invalid JSON: invalid character 'h' looking for beginning of value/],
    ['null', /config cannot be empty in order to create a container/],
    [`{"Image":"${image}","Env":"x"}`, /cannot unmarshal/],
    [`{"Image":"${image}","HostConfig":{"Memory":"1"}}`, /cannot unmarshal/],
    [`{"Image":"${image}","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}`, /cannot unmarshal/],
    [`{"Image":"${image}"} x`, /unexpected content after JSON/],
  ] as const) {
    const answer = await call(engine.socketPath, create, { body, contentType: 'application/json' })
    assert.equal(answer.status, 400, `${body}: ${answer.body}`)
    assert.match(answer.text, words)
  }
  const text = await call(engine.socketPath, create, { body: '{}', contentType: 'text/plain' })
  assert.equal(text.status, 400)
  assert.match(text.text, /unsupported Content-Type header \(text\/plain\): must be 'application\/json'/)
  for (const [line, status] of [
    ['GET /v1.99/info', 400],
    ['GET /v1.0/info', 400],
    ['GET /nothing', 404],
    ['DELETE /info', 404],
    ['POST /containers/nobody/start', 404],
    ['GET /containers/nobody/logs?stdout=1', 404],
    ['GET /containers/json?filters=%7B', 400],
    ['GET /containers/json?filters=%7B%22nope%22:%5B%22x%22%5D%7D', 400],
  ] as const)
    assert.equal((await call(engine.socketPath, line)).status, status, line)
  await nothingBut(rest, engine)
})
