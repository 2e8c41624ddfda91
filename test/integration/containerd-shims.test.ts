// berth-containerd with the original containerd-shim-runc-v2 over runc and crun, and with our own shim as a foreign one, driven by ctr.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { eventually, run } from '../harness/command.ts'
import { installCrun, type OurContainerd, startOurContainerd } from '../harness/our-containerd.ts'
import { BIN } from '../harness/root.ts'
import { skipWithout } from '../harness/runtime.ts'

const skip = skipWithout('ctr', 'containerd-shim-runc-v2', 'runc', 'crun')
const OUR_SHIM = join(BIN, 'containerd-shim-berth-v2')

let containerd: OurContainerd

before(async () => {
  if (skip !== false) return
  // Without this the built-in runtime stands in for the original.
  containerd = await startOurContainerd('--own-runtimes', 'io.containerd.runc.v1')
})

after(async () => {
  if (skip === false) await containerd[Symbol.asyncDispose]()
})

const SIDES: { name: string; flags: () => string[] }[] = [
  { name: 'the original shim with runc', flags: () => [] },
  { name: 'the original shim with crun', flags: () => ['--runc-binary', installCrun(containerd.programs)] },
  { name: 'our shim by its path', flags: () => ['--runtime', OUR_SHIM] },
]

const statusOf = async (id: string) =>
  new RegExp(`^${id}\\s+\\d+\\s+(\\w+)`, 'm').exec(await containerd.ok('task', 'ls'))?.[1]

/** The shim that serves the container, as ps shows it. */
async function shimOf(id: string): Promise<number> {
  const { stdout } = await run(['pgrep', '-f', `containerd-shim-.* -id ${id} -address ${containerd.address}`])
  return Number(stdout.split('\n')[0])
}

for (const { name, flags } of SIDES)
  describe(name, { skip }, () => {
    const command = (id: string, ...rest: string[]) => [
      'run',
      ...flags(),
      '--env',
      'PATH=/bin',
      ...rest.filter((word) => word.startsWith('-')),
      '--rootfs',
      containerd.tree,
      id,
    ]
    const removed = async (id: string) => {
      await containerd.ctr(['task', 'rm', '-f', id])
      await containerd.ok('container', 'rm', id)
      await containerd.nothingLeft()
    }

    test('a container in the foreground: streams, input, code', async () => {
      const script = 'read line; echo "got $line"; echo err >&2; exit 7'
      const result = await containerd.ctr([...command('fg', '--rm'), 'sh', '-c', script], { input: 'typed\n' })
      assert.deepEqual(result, { code: 7, stdout: 'got typed\n', stderr: 'err\n' })
      await containerd.nothingLeft()
    })

    test('a terminal', async () => {
      const words = ['ctr', '-a', containerd.address, '-n', containerd.namespace, ...command('tty', '--rm', '-t')]
      const line = [...words, 'sh', '-c', "'tty; exit 5'"].join(' ')
      const { code, stdout } = await run(['script', '-qec', line, '/dev/null'], { timeoutMs: 20_000 })
      assert.equal(code, 5, stdout)
      assert.match(stdout, /\/dev\/pts\/0/)
      await containerd.nothingLeft()
    })

    test('a program that is not there is told in the runtime’s words', async () => {
      const { code, stderr } = await containerd.ctr([...command('bad', '--rm'), 'nope'])
      assert.equal(code, 1)
      assert.match(stderr, /failed to create shim task: OCI runtime create failed: .*nope.*: unknown/)
      await containerd.nothingLeft()
    })

    test('a container in the background: exec, pause, metrics, ps, kill, delete', async () => {
      await containerd.ok(...command('bg', '-d', '--null-io'), 'sleep', '4711')
      const exec = (id: string, script: string) =>
        containerd.ctr(['task', 'exec', '--exec-id', id, 'bg', 'sh', '-c', script])
      assert.deepEqual(await exec('e1', 'echo in; exit 3'), { code: 3, stdout: 'in\n', stderr: '' })
      await containerd.ok('task', 'exec', '-d', '--exec-id', 'e2', 'bg', 'sleep', '4711')
      assert.match(await containerd.ok('task', 'ps', 'bg'), /\be2\b/)
      await containerd.ok('task', 'pause', 'bg')
      assert.equal(await statusOf('bg'), 'PAUSED')
      await containerd.ok('task', 'resume', 'bg')
      assert.equal(await statusOf('bg'), 'RUNNING')
      assert.match(await containerd.ok('task', 'metrics', 'bg'), /pids\.current\s+2\b/)
      assert.match(
        (await containerd.ctr(['task', 'rm', 'bg'])).stderr,
        /task must be stopped before deletion: running: failed precondition/,
      )
      await containerd.ok('task', 'kill', '-s', 'KILL', 'bg')
      await eventually('it has stopped', 5_000, async () => (await statusOf('bg')) === 'STOPPED')
      assert.match(
        (await containerd.ctr(['task', 'kill', '-s', 'KILL', 'bg'])).stderr,
        /process already finished: not found/,
      )
      assert.match((await containerd.ctr(['task', 'rm', 'bg'])).stderr, /non-zero exit code 137/)
      await removed('bg')
    })

    test('the daemon is killed while a container prints: it is found again, and its code is right', async () => {
      const log = join(containerd.directory, 'crash.log')
      const script = 'until [ -e /tmp/go ]; do echo tick; sleep 0.05; done; echo last; exit 9'
      await containerd.ok(...command('crash', '-d', `--log-uri=file://${log}`), 'sh', '-c', script)
      await containerd.stop('SIGKILL')
      await containerd.start()
      assert.equal(await statusOf('crash'), 'RUNNING')
      const before = readFileSync(log, 'utf8').length
      await eventually('it prints on', 5_000, () => readFileSync(log, 'utf8').length > before)
      const waiting = containerd.client.tasks.wait({ containerId: 'crash' })
      await containerd.ok('task', 'exec', '--exec-id', 'go', 'crash', 'touch', '/tmp/go')
      assert.equal((await waiting).exitStatus, 9)
      assert.match(readFileSync(log, 'utf8'), /last\n$/)
      assert.match((await containerd.ctr(['task', 'rm', 'crash'])).stderr, /non-zero exit code 9/)
      await run(['rm', '-f', join(containerd.tree, 'tmp/go')])
      await removed('crash')
    })

    test('the shim is killed: the exit is told, and everything is cleaned up', async () => {
      await containerd.ok(...command('lost', '-d', '--null-io'), 'sleep', '4711')
      await using events = watchTopics()
      await events.subscribed
      const waiting = containerd.client.tasks.wait({ containerId: 'lost' })
      process.kill(await shimOf('lost'), 'SIGKILL')
      assert.equal((await waiting).exitStatus, 137)
      await eventually('both are told', 5_000, () => events.seen.length >= 2)
      assert.deepEqual(events.seen, ['/tasks/exit', '/tasks/delete'])
      await assert.rejects(containerd.client.tasks.get({ containerId: 'lost' }), { code: 'not-found' })
      await containerd.nothingLeft()
      await containerd.ok('container', 'rm', 'lost')
    })

    test('daemon and shim are killed: the next daemon cleans up', async () => {
      await containerd.ok(...command('both', '-d', '--null-io'), 'sleep', '4711')
      const shim = await shimOf('both')
      await containerd.stop('SIGKILL')
      process.kill(shim, 'SIGKILL')
      await containerd.start()
      await assert.rejects(containerd.client.tasks.get({ containerId: 'both' }), { code: 'not-found' })
      await containerd.nothingLeft()
      await containerd.ok(...command('both-again', '-d', '--null-io'), 'sleep', '4711')
      await removed('both-again')
      await containerd.ok('container', 'rm', 'both')
    })
  })

/** The topics of this namespace's tasks as they come. */
function watchTopics(): AsyncDisposable & { seen: string[]; subscribed: Promise<void> } {
  const stop = new AbortController()
  const seen: string[] = []
  let accept = (): void => {}
  const subscribed = new Promise<void>((resolve) => {
    accept = resolve
  })
  const filters = [`namespace==${containerd.namespace},topic~=|^/tasks/|`]
  const events = containerd.client.events.subscribe({ filters }, { signal: stop.signal, onAccepted: accept })
  const reading = (async () => {
    for await (const { topic } of events) seen.push(topic)
  })().catch(() => {}) // aborted
  return {
    seen,
    subscribed,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await reading
    },
  }
}

test('a name without a program is told in containerd’s words', { skip }, async () => {
  const { code, stderr } = await containerd.ctr([
    'run',
    '--runtime',
    'io.no.such.v9',
    '--rootfs',
    containerd.tree,
    'none',
    'true',
  ])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /failed to resolve runtime path: runtime "io\.no\.such\.v9" binary not installed "containerd-shim-such-v9"/,
  )
  await containerd.ok('container', 'rm', 'none')
  await containerd.nothingLeft()
})
