// Exec and attach over bare HTTP, answer by answer as a real dockerd gives them: heads, framing, half-closes, words of errors, what inspect says.
import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { after, before, test } from 'node:test'
import { call } from '../harness/api.ts'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let real: RealDockerd | undefined
const ECHO = 'while read l; do echo got $l; done; echo eof; exit 3'

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  real = await startDockerd()
  await pushBusybox(registry.host)
  for (const path of sides()) {
    const docker = (...args: string[]) => must(['docker', '-H', `unix://${path}`, ...args])
    await docker('pull', '-q', `${registry.host}/busybox`)
    const run = ['run', '--network', 'none', '--name']
    await docker(
      ...run,
      'plain',
      '-di',
      `${registry.host}/busybox`,
      'sh',
      '-c',
      `${ECHO.replace('exit 3', 'sleep 1000')}`,
    )
    await docker(
      ...run,
      'terminal',
      '-dit',
      `${registry.host}/busybox`,
      'sh',
      '-c',
      ECHO.replace('exit 3', 'sleep 1000'),
    )
    await docker(...run, 'frozen', '-d', `${registry.host}/busybox`, 'sleep', '1000')
    await docker(...run, 'down', '-d', '-u', 'user', `${registry.host}/busybox`, 'sleep', '1000')
    await docker('create', '--network', 'none', '--name', 'never', `${registry.host}/busybox`, 'true')
  }
})

after(async () => {
  await real?.[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const sides = () => [engine.socketPath, ...(real === undefined ? [] : [real.socketPath])]

/** What of an answer does not depend on the engine's version, its ids and pids. */
function plain(text: string): string {
  return text
    .replace(
      /(?:Api-Version|Docker-Experimental|Ostype|Server|Date|Content-Length|Builder-Version|Swarm): [^\r]*\r\n/g,
      '',
    )
    .replace(/[0-9a-f]{64}/g, 'ID')
    .replace(/"Pid":\d+/, '"Pid":0')
}

/** Sends a request and then each piece once the text before it has come; `null` ends the sending side. All that came until the other side's end. */
function converse(
  socketPath: string,
  line: string,
  options: {
    body?: string
    isUpgrade?: boolean
    pieces?: readonly (readonly [after: string, send: string | null])[]
  } = {},
): Promise<string> {
  const { body = '', isUpgrade = true, pieces = [] } = options
  const upgrade = isUpgrade ? 'Connection: Upgrade\r\nUpgrade: tcp\r\n' : ''
  const json = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: socketPath, allowHalfOpen: true })
    const limit = setTimeout(() => socket.destroy(new Error(`no end after ${JSON.stringify(text)}`)), 30_000)
    const waiting = [...pieces]
    let text = ''
    const step = () => {
      for (let next = waiting[0]; next !== undefined && text.includes(next[0]); next = waiting[0]) {
        waiting.shift()
        if (next[1] === null) socket.end()
        else socket.write(next[1])
      }
    }
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      step()
    })
    socket.on('error', reject)
    socket.on('end', () => {
      clearTimeout(limit)
      socket.destroy()
      resolve(plain(text))
    })
    socket.write(`${line} HTTP/1.1\r\nHost: x\r\n${upgrade}${json}\r\n${body}`)
  })
}

async function assertSame(ask: (socketPath: string) => Promise<unknown>): Promise<void> {
  const [ours, theirs] = await Promise.all(sides().map(ask))
  assert.deepEqual(ours, theirs)
}

async function createExec(socketPath: string, container: string, config: object): Promise<string> {
  const { body } = await call(socketPath, `POST /v1.41/containers/${container}/exec`, { body: config })
  return (JSON.parse(body) as { Id: string }).Id
}

async function inspected(socketPath: string, id: string): Promise<Record<string, unknown>> {
  return JSON.parse(plain((await call(socketPath, `GET /v1.41/exec/${id}/json`)).body)) as Record<string, unknown>
}

const ATTACH = 'POST /v1.41/containers'
const ALL = 'stream=1&stdin=1&stdout=1&stderr=1'
const WITH_INPUT = { AttachStdin: true, AttachStdout: true, AttachStderr: true, Cmd: ['sh', '-c', ECHO] }

const CONVERSATIONS: readonly (readonly [title: string, ask: (path: string) => Promise<unknown>])[] = [
  [
    'attach: the end of one client’s input ends its attach',
    (path) =>
      converse(path, `${ATTACH}/plain/attach?${ALL}`, {
        pieces: [
          ['\r\n\r\n', 'x\n'],
          ['got x\n', null],
        ],
      }),
  ],
  [
    'attach: and not the program’s',
    (path) =>
      converse(path, `${ATTACH}/plain/attach?${ALL}`, {
        pieces: [
          ['\r\n\r\n', 'y\n'],
          ['got y\n', null],
        ],
      }),
  ],
  [
    'attach at a terminal: the same',
    (path) =>
      converse(path, `${ATTACH}/terminal/attach?${ALL}`, {
        pieces: [
          ['\r\n\r\n', 'x\n'],
          ['got x\r\n', null],
        ],
      }),
  ],
  [
    'attach without an Upgrade header',
    (path) =>
      converse(path, `${ATTACH}/plain/attach?${ALL}`, {
        isUpgrade: false,
        pieces: [
          ['\r\n\r\n', 'x\n'],
          ['got x\n', null],
        ],
      }),
  ],
  [
    'attach with keys of the client’s own',
    (path) =>
      converse(path, `${ATTACH}/terminal/attach?${ALL}&detachKeys=a,DEL`, {
        pieces: [
          ['\r\n\r\n', 'xa'],
          ['x', 'b\n'],
          ['got xab\r\n', 'a\x7f'],
        ],
      }),
  ],
  [
    'attach: what breaks the keys begins none',
    (path) =>
      converse(path, `${ATTACH}/terminal/attach?${ALL}&detachKeys=x,y`, {
        pieces: [
          ['\r\n\r\n', 'xxy\n'],
          ['got xxy\r\n', 'xy'],
        ],
      }),
  ],
  ['attach to no container', (path) => converse(path, `${ATTACH}/nobody/attach?${ALL}`)],
  ['attach with bad keys', (path) => converse(path, `${ATTACH}/nobody/attach?${ALL}&detachKeys=ctrl-?`)],
  ['attach with no stream', (path) => converse(path, `${ATTACH}/plain/attach`)],
  [
    'websocket without a handshake',
    (path) => converse(path, 'GET /v1.41/containers/plain/attach/ws?stream=1', { isUpgrade: false }),
  ],
  ['websocket of no container', async (path) => await call(path, 'GET /v1.41/containers/nobody/attach/ws?stream=1')],
  [
    'exec: the end of input is the program’s',
    async (path) => {
      const id = await createExec(path, 'plain', WITH_INPUT)
      const text = await converse(path, `POST /v1.41/exec/${id}/start`, {
        body: '{}',
        pieces: [
          ['\r\n\r\n', 'x\n'],
          ['got x\n', null],
        ],
      })
      return [text, await inspected(path, id)]
    },
  ],
  [
    'exec at a terminal: the end of input ends the attach alone',
    async (path) => {
      const id = await createExec(path, 'plain', { ...WITH_INPUT, Tty: true })
      const text = await converse(path, `POST /v1.41/exec/${id}/start`, {
        body: '{"Tty":true}',
        pieces: [
          ['\r\n\r\n', 'x\n'],
          ['got x\r\n', null],
        ],
      })
      return [text, await inspected(path, id)]
    },
  ],
  [
    'exec without any stream is not waited for',
    async (path) => {
      const id = await createExec(path, 'plain', { Cmd: ['sleep', '1000'] })
      return [
        await converse(path, `POST /v1.41/exec/${id}/start`, { body: '{}' }),
        (await inspected(path, id))['Running'],
      ]
    },
  ],
  ...['nonexist', '/etc', '/nowhere/x'].map(
    (command) =>
      [
        `exec of ${command}, attached and detached`,
        async (path: string) => {
          const [one, two] = [
            await createExec(path, 'plain', { Cmd: [command], AttachStdout: true }),
            await createExec(path, 'plain', { Cmd: [command] }),
          ]
          return [
            await converse(path, `POST /v1.41/exec/${one}/start`, { body: '{}' }),
            await call(path, `POST /v1.41/exec/${two}/start`, { body: { Detach: true } }),
          ]
        },
      ] as const,
  ),
  ...['/nowhere', 'relative'].map(
    (WorkingDir) =>
      [
        `exec in ${WorkingDir}`,
        async (path: string) => {
          const id = await createExec(path, 'plain', { Cmd: ['pwd'], AttachStdout: true, WorkingDir })
          return await converse(path, `POST /v1.41/exec/${id}/start`, { body: '{}' })
        },
      ] as const,
  ),
  [
    'bad keys, good keys, no command, no exec',
    async (path) => [
      await call(path, 'POST /v1.41/containers/plain/exec', { body: { Cmd: ['true'], DetachKeys: 'ctrl-?' } }),
      (await call(path, 'POST /v1.41/containers/plain/exec', { body: { Cmd: ['true'], DetachKeys: 'DEL,a' } })).status,
      await call(path, 'POST /v1.41/containers/nobody/exec', { body: {} }),
      await call(path, 'POST /v1.41/containers/nobody/exec', { body: { Cmd: ['true'] } }),
      await call(path, 'POST /v1.41/exec/nobody/start', { body: {} }),
      await call(path, 'GET /v1.41/exec/nobody/json'),
      (await call(path, 'POST /v1.41/exec/nobody/resize?h=x&w=1')).status,
      await call(path, 'POST /v1.41/exec/nobody/resize?h=1&w=1'),
    ],
  ],
  [
    'exec in a container that is paused',
    async (path) => {
      const id = await createExec(path, 'frozen', { Cmd: ['true'] })
      await call(path, 'POST /v1.41/containers/frozen/pause')
      const answers = [
        await call(path, 'POST /v1.41/containers/frozen/exec', { body: { Cmd: ['true'] } }),
        await call(path, `POST /v1.41/exec/${id}/start`, { body: { Detach: true } }),
        await call(path, `POST /v1.41/exec/${id}/start`, { body: {} }),
      ]
      return [plain(JSON.stringify(answers)), await inspected(path, id)]
    },
  ],
  [
    'exec in a container that has ended, and one that was not started in time',
    async (path) => {
      const id = await createExec(path, 'down', { Cmd: ['true'], AttachStdout: true })
      const run = await createExec(path, 'down', { Cmd: ['id', '-u'], AttachStdout: true })
      const text = await converse(path, `POST /v1.41/exec/${run}/start`, { body: '{}' })
      const { ProcessConfig } = await inspected(path, run)
      await call(path, 'POST /v1.41/containers/down/kill')
      await call(path, 'POST /v1.41/containers/down/wait')
      const answers = [
        await call(path, `GET /v1.41/exec/${id}/json`),
        await call(path, `POST /v1.41/exec/${id}/start`, { body: {} }),
        (await call(path, 'POST /v1.41/containers/down/exec', { body: { Cmd: ['true'] } })).text.toLowerCase(),
        (await call(path, 'POST /v1.41/containers/never/exec', { body: { Cmd: ['true'] } })).text.toLowerCase(),
      ]
      return [text, ProcessConfig, plain(JSON.stringify(answers))]
    },
  ],
]

for (const [title, ask] of CONVERSATIONS)
  test(`${title}: as dockerd`, async (t) => {
    if (real === undefined) return t.skip('no dockerd is installed')
    await assertSame(ask)
  })

test('an exec runs once; who starts it again is told so in the stream, or with 409', async () => {
  const id = await createExec(engine.socketPath, 'plain', { Cmd: ['true'], AttachStdout: true })
  await converse(engine.socketPath, `POST /v1.41/exec/${id}/start`, { body: '{}' })
  await eventually('it has ended', 30_000, async () => (await inspected(engine.socketPath, id))['ExitCode'] === 0)
  const again = await converse(engine.socketPath, `POST /v1.41/exec/${id}/start`, { body: '{}' })
  assert.match(again, /exec command ID has already run\r\n$/)
  const detached = await call(engine.socketPath, `POST /v1.41/exec/${id}/start`, { body: { Detach: true } })
  assert.deepEqual([detached.status, detached.text], [409, `exec command ${id} has already run`])
})

test('a user that the container has not is refused when the exec is created', async () => {
  const table: [user: string, message: string][] = [
    ['nobody-here', 'unable to find user nobody-here: no matching entries in passwd file'],
    ['root:nobodies', 'unable to find group nobodies: no matching entries in group file'],
    ['4294967296', 'uids and gids must be in range 0-2147483647'],
  ]
  for (const [User, message] of table) {
    const answer = await call(engine.socketPath, 'POST /v1.45/containers/plain/exec', { body: { Cmd: ['true'], User } })
    assert.deepEqual([answer.status, answer.text], [400, message])
  }
})
