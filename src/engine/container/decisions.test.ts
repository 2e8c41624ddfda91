// The small pure decisions of this folder, in tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../../base/failure.ts'
import { explainRunFailure } from './exit-code-of-failure.ts'
import { generateName } from './generate-name.ts'
import { publishRequests } from './port-bindings.ts'
import { parseContainerName } from './rename.ts'
import { parseSignal } from './signals.ts'
import { checkArguments, selectProcesses } from './top.ts'

test('signals go by number and by name, with or without SIG, in any case', () => {
  const table: [string, number][] = [
    ['9', 9],
    ['KILL', 9],
    ['SIGKILL', 9],
    ['sigterm', 15],
    ['64', 64],
    ['RTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['RTMAX', 64],
  ]
  for (const [text, number] of table) assert.equal(parseSignal(text), number, text)
  for (const text of ['0', 'FOO', '', 'SIG', 'constructor', '9x'])
    assert.throws(() => parseSignal(text), { code: 'invalid-argument', message: `invalid signal: ${text}` })
  for (const number of [65, 1000, -9, 32, 33])
    assert.throws(() => parseSignal(String(number)), {
      code: 'invalid-argument',
      message: `the linux daemon does not support signal ${number}`,
    })
})

test('a failed start has the exit code that its text stands for', () => {
  const table: [string, number, string][] = [
    ['exec: "nope": executable file not found in $PATH: unknown', 127, 'invalid-argument'],
    ['exec: "/etc/passwd": permission denied', 126, 'invalid-argument'],
    ['exec: "/etc": is a directory', 126, 'invalid-argument'],
    ['stat /x: no such file or directory', 127, 'invalid-argument'],
    ['something else', 128, 'unknown'],
  ]
  for (const [text, exitCode, code] of table) {
    const explained = explainRunFailure('failed to create task for container: ', new Failure('unknown', text))
    assert.deepEqual([explained.exitCode, explained.failure.code], [exitCode, code], text)
    assert.ok(explained.failure.message.startsWith(`failed to create task for container: ${text}`))
  }
  assert.match(explainRunFailure('', new Failure('unknown', 'is a directory')).failure.message, /permission denied$/)
})

test('port bindings become requests; publish-all adds what is exposed and not bound', () => {
  const requests = publishRequests(
    { ExposedPorts: { '80/tcp': {}, '53/udp': {} } },
    {
      PublishAllPorts: true,
      PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8000-8010' }], '90/tcp': [{ HostPort: '' }] },
    },
  )
  assert.deepEqual(
    requests.map((each) => [each.protocol, each.containerPort, each.hostIp, each.hostPort, each.hostPortEnd]),
    [
      ['tcp', 80, '127.0.0.1', 8000, 8010],
      ['tcp', 90, '', 0, 0],
      ['udp', 53, '', 0, 0],
    ],
  )
  for (const HostPort of ['x', '70000', '9-8'])
    assert.throws(() => publishRequests({}, { PortBindings: { '80/tcp': [{ HostPort }] } }), {
      code: 'invalid-argument',
    })
})

test('names follow the pattern, generated ones too, and the short id is the last resort', () => {
  assert.equal(parseContainerName('/web.1'), 'web.1')
  for (const text of ['a', '-a', 'a b', 'a/b', '', `a${'b'.repeat(300)}`])
    assert.throws(() => parseContainerName(text), { code: 'invalid-argument' })
  assert.match(
    generateName(() => false, 'id'),
    /^[a-z]+_[a-z]+$/,
  )
  assert.equal(
    generateName(() => true, 'id'),
    'id',
  )
  let asked = 0
  assert.match(
    generateName(
      () => asked++ === 0,
      'id',
      () => 0,
    ),
    /^[a-z]+_[a-z]+0$/,
  )
})

test('top shows the rows of the container’s processes, the command in one piece', () => {
  const output = 'UID  PID PPID CMD\nroot 1 0 /sbin/init\nroot 42 1 sleep 10 20\nroot 421 1 x\n'
  assert.deepEqual(selectProcesses(output, new Set([42])), {
    Titles: ['UID', 'PID', 'PPID', 'CMD'],
    Processes: [['root', '42', '1', 'sleep 10 20']],
  })
  assert.throws(() => selectProcesses('UID CMD\n', new Set([1])), { message: "Couldn't find PID field in ps output" })
})

test('no other column of ps may pass for the pid', () => {
  for (const psArgs of ['-ef', 'aux', '-o pid,cmd', '-o pid=PID', '-o pid=PID -o cmd']) checkArguments(psArgs)
  const refused: [string, string][] = [
    ['-o ppid=PID', 'ppid=PID'],
    ['-o pid=X,ppid=PID', 'pid=X,ppid=PID'],
    ['-eo ppid=PIDS', 'ppid=PIDS'],
  ]
  for (const [psArgs, text] of refused)
    assert.throws(() => checkArguments(psArgs), { message: `specifying "${text}" is not allowed` }, psArgs)
})
