// The original containerd and its `ctr` with our shim at the place of containerd-shim-runc-v2.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, must, run } from '../harness/command.ts'
import { BUSYBOX, type OriginalContainerd, startOriginalContainerd } from '../harness/original-containerd.ts'

const RUNTIME = ['--runtime', 'io.containerd.berth.v2']
let containerd: OriginalContainerd
let mountsBefore: string[]

before(async () => {
  containerd = await startOriginalContainerd()
  mountsBefore = mounts()
})

after(async () => {
  await containerd[Symbol.asyncDispose]()
  removeNamespaceGroups()
})

/** ctr puts its containers' groups below one named after the namespace, which nobody removes. Not empty: somebody else's too. */
function removeNamespaceGroups(): void {
  for (const path of ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)])
    try {
      rmdirSync(join(path, 'default'))
    } catch {
      // Not there, not empty, or not a hierarchy.
    }
}

function mounts(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.includes(containerd.directory))
}

function processes(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        return /^\S*(?:berth-shim|containerd-shim)/.test(command) && command.includes(containerd.directory)
          ? [command]
          : []
      } catch {
        return [] // it ended while we looked
      }
    })
}

function groups(): string[] {
  return readdirSync('/sys/fs/cgroup').flatMap((name) => {
    const group = join('/sys/fs/cgroup', name, 'default')
    return existsSync(group)
      ? readdirSync(group, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
      : []
  })
}

async function assertNothingLeft(): Promise<void> {
  await eventually('shims, groups, mounts and sockets are gone', 10_000, () => {
    const left = [...processes(), ...groups(), ...mounts().filter((path) => !mountsBefore.includes(path))]
    if (existsSync('/run/containerd/s')) left.push(...readdirSync('/run/containerd/s'))
    if (left.length > 0) throw new Error(left.join('\n'))
    return true
  })
}

/** With a container that runs `sleep 1000`, which is gone afterwards. */
async function withSleeper(id: string, args: readonly string[], work: () => Promise<void>): Promise<void> {
  await containerd.ok('run', ...RUNTIME, '-d', '--null-io', ...args, BUSYBOX, id, 'sleep', '1000')
  try {
    await work()
  } finally {
    await containerd.ctr(['task', 'rm', '-f', id])
    await containerd.ok('container', 'rm', id)
  }
}

const status = async (id: string) =>
  new RegExp(`^${id}\\s+\\d+\\s+(\\w+)`, 'm').exec(await containerd.ok('task', 'ls'))?.[1]

test('a container runs in the foreground, with its streams and its code', async () => {
  for (const code of [0, 7, 255]) {
    const script = `echo out; echo err >&2; exit ${code}`
    const result = await containerd.ctr(['run', ...RUNTIME, '--rm', BUSYBOX, 'fg', 'sh', '-c', script])
    assert.deepEqual(result, { code, stdout: 'out\n', stderr: 'err\n' })
  }
  const killed = await containerd.ctr([
    'run',
    ...RUNTIME,
    '--rm',
    BUSYBOX,
    'fg',
    'sh',
    '-c',
    'sh -c "kill -9 \\$\\$"; exit $?',
  ])
  assert.equal(killed.code, 137)
  await assertNothingLeft()
})

test('a program that is not there is told in runc’s words, and nothing is left', async () => {
  const { code, stderr } = await containerd.ctr(['run', ...RUNTIME, '--rm', BUSYBOX, 'bad', 'nope'])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nope": executable file not found in \$PATH: unknown/,
  )
  await assertNothingLeft()
})

test('a terminal has its size, its name and its code', async () => {
  const ctr = `ctr -a ${containerd.directory}/c.sock`
  const line = `stty rows 33 cols 77; ${ctr} run ${RUNTIME.join(' ')} --rm -t ${BUSYBOX} tty sh -c 'sleep 0.3; tty; stty size; exit 5'`
  const { code, stdout } = await run(['script', '-qec', `sh -c "${line.replaceAll('"', '\\"')}"`, '/dev/null'], {
    timeoutMs: 20_000,
  })
  assert.equal(code, 5)
  assert.match(stdout, /\/dev\/pts\/0/)
  assert.match(stdout, /33 77/)
})

test('further processes: output, code, terminal, what is missing', async () => {
  await withSleeper('ex', [], async () => {
    const exec = (id: string, ...command: string[]) =>
      containerd.ctr(['task', 'exec', '--exec-id', id, 'ex', ...command])
    assert.deepEqual(await exec('e1', 'sh', '-c', 'echo in; exit 3'), { code: 3, stdout: 'in\n', stderr: '' })
    const missing = await exec('e2', 'nope')
    assert.equal(missing.code, 1)
    assert.match(
      missing.stderr,
      /OCI runtime exec failed: exec failed: unable to start container process: exec: "nope"/,
    )
    const many = await Promise.all(Array.from({ length: 8 }, (_, at) => exec(`m${at}`, 'sh', '-c', `exit ${at}`)))
    assert.deepEqual(
      many.map(({ code }) => code),
      [0, 1, 2, 3, 4, 5, 6, 7],
    )
    await containerd.ok('task', 'exec', '--exec-id', 'bg', '-d', 'ex', 'sleep', '1000')
    const listed = await containerd.ok('task', 'ps', 'ex')
    assert.match(listed, /\bbg\b/)
    assert.equal(listed.split('\n').length, 3)
  })
  await assertNothingLeft()
})

test('pause, resume, signals, metrics, delete', async () => {
  await withSleeper('ctl', [], async () => {
    assert.equal(await status('ctl'), 'RUNNING')
    await containerd.ok('task', 'pause', 'ctl')
    assert.equal(await status('ctl'), 'PAUSED')
    await containerd.ok('task', 'resume', 'ctl')
    assert.equal(await status('ctl'), 'RUNNING')
    assert.match(await containerd.ok('task', 'metrics', 'ctl'), /pids\.current\s+1\b/)
    assert.notEqual((await containerd.ctr(['task', 'rm', 'ctl'])).code, 0, 'what runs is not deleted')
    await containerd.ok('task', 'kill', '-s', 'KILL', 'ctl')
    await eventually('it has stopped', 5_000, async () => (await status('ctl')) === 'STOPPED')
    assert.match(
      (await containerd.ctr(['task', 'kill', '-s', 'KILL', 'ctl'])).stderr,
      /process already finished: not found/,
    )
  })
  await assertNothingLeft()
})

test('events come in order, an out-of-memory kill among them', async () => {
  const events = spawn('ctr', ['-a', `${containerd.directory}/c.sock`, 'events'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let told = ''
  events.stdout.on('data', (chunk: Buffer) => {
    told += chunk.toString()
  })
  try {
    // Until the subscription holds there is nothing to see: something harmless is done until it shows.
    await eventually('events arrive', 10_000, async () => {
      await containerd.ok('images', 'label', BUSYBOX, `seen=${Date.now()}`)
      return told.includes('/images/update')
    })
    const eater = 'x=$(head -c 60000000 /dev/zero | tr "\\0" x); echo never'
    const args = ['run', ...RUNTIME, '--rm', '--memory-limit', '16777216', BUSYBOX, 'oom', 'sh', '-c', eater]
    assert.notEqual((await containerd.ctr(args)).code, 0)
    await eventually('the delete is told', 10_000, () => told.includes('/tasks/delete'))
    const topics = [...told.matchAll(/default (\/tasks\/\S+)/g)].map(([, topic]) => topic)
    assert.deepEqual(
      [...new Set(topics)],
      ['/tasks/create', '/tasks/start', '/tasks/oom', '/tasks/exit', '/tasks/delete'],
    )
  } finally {
    events.kill()
  }
  await assertNothingLeft()
})

test('output goes to a file, and to a logging program that is told whose it is', async () => {
  const file = join(containerd.directory, 'logs/out.log')
  const program = join(containerd.directory, 'logger')
  const written = join(containerd.directory, 'logger.out')
  writeFileSync(
    program,
    `#!/bin/sh\nexec 5>&-\necho "$CONTAINER_NAMESPACE/$CONTAINER_ID $*" >${written}\ncat <&4 >${written}.err &\ncat <&3 >>${written}\nwait\n`,
    { mode: 0o755 },
  )
  const script = 'echo to the log; echo wrong >&2'
  for (const uri of [`file://${file}`, `binary://${program}?key=value`]) {
    await containerd.ok('run', ...RUNTIME, '-d', '--log-uri', uri, BUSYBOX, 'logged', 'sh', '-c', script)
    await eventually('it has stopped', 5_000, async () => (await status('logged')) === 'STOPPED')
    await containerd.ok('task', 'rm', 'logged')
    await containerd.ok('container', 'rm', 'logged')
  }
  assert.deepEqual(readFileSync(file, 'utf8').trim().split('\n').sort(), ['to the log', 'wrong'])
  assert.equal(readFileSync(written, 'utf8'), 'default/logged key value\nto the log\n')
  assert.equal(readFileSync(`${written}.err`, 'utf8'), 'wrong\n')
  await assertNothingLeft()
})

test('a container outlives containerd, and is found again by the next one', async () => {
  await withSleeper('life', [], async () => {
    const before = await containerd.ok('task', 'ls')
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await containerd.stop(signal)
      await containerd.start()
      assert.equal(await containerd.ok('task', 'ls'), before)
    }
    assert.equal((await containerd.ctr(['task', 'exec', '--exec-id', 'e', 'life', 'sh', '-c', 'exit 4'])).code, 4)
    await containerd.ok('task', 'kill', '-s', 'KILL', 'life')
    await eventually('the exit is told to the new one', 5_000, async () => (await status('life')) === 'STOPPED')
  })
  await assertNothingLeft()
})

test('kill -9 of the shim: containerd cleans up, and nothing of the container is left', async () => {
  await containerd.ok('run', ...RUNTIME, '-d', '--null-io', BUSYBOX, 'hurt', 'sleep', '1000')
  const pid = Number(readFileSync(join(containerd.bundle('hurt'), 'shim.pid'), 'utf8'))
  process.kill(pid, 'SIGKILL')
  await eventually('the task is gone', 10_000, async () => (await status('hurt')) === undefined)
  await containerd.ok('container', 'rm', 'hurt')
  await assertNothingLeft()
})

test('twenty at once', async () => {
  const ids = Array.from({ length: 20 }, (_, at) => `many-${at}`)
  const results = await Promise.all(
    ids.map((id, at) =>
      containerd.ctr(['run', ...RUNTIME, '--rm', BUSYBOX, id, 'sh', '-c', `echo ${at}; exit ${at}`], {
        timeoutMs: 60_000,
      }),
    ),
  )
  assert.deepEqual(
    results.map(({ code, stdout }) => [code, stdout]),
    ids.map((_, at) => [at, `${at}\n`]),
  )
  await assertNothingLeft()
})

test('a containerd that knows only runc’s shim runs ours in its place, with another runtime by command', async () => {
  const run = (...command: string[]) =>
    containerd.ctr([
      'run',
      '--rm',
      '--runc-binary',
      'runc',
      '--runc-root',
      join(containerd.directory, 'runc'),
      BUSYBOX,
      'cmd',
      ...command,
    ])
  assert.deepEqual(await run('sh', '-c', 'echo out; echo err >&2; exit 7'), {
    code: 7,
    stdout: 'out\n',
    stderr: 'err\n',
  })
  const missing = await run('nope')
  assert.match(
    missing.stderr,
    /OCI runtime create failed: runc create failed: .*exec: "nope": executable file not found in \$PATH: unknown/,
  )
  await containerd.ok('run', '-d', '--null-io', '--runc-binary', 'runc', BUSYBOX, 'cmd', 'sleep', '1000')
  const exec = await containerd.ctr(['task', 'exec', '--exec-id', 'e', 'cmd', 'sh', '-c', 'echo in; exit 3'])
  assert.deepEqual(exec, { code: 3, stdout: 'in\n', stderr: '' })
  await containerd.ok('task', 'pause', 'cmd')
  assert.equal(await status('cmd'), 'PAUSED')
  await containerd.ok('task', 'resume', 'cmd')
  await containerd.ok('task', 'kill', '-s', 'KILL', 'cmd')
  await eventually('it has stopped', 5_000, async () => (await status('cmd')) === 'STOPPED')
  await containerd.ctr(['task', 'rm', 'cmd'])
  await containerd.ok('container', 'rm', 'cmd')
  await assertNothingLeft()
})

test('hooks run where the specification has them', async () => {
  const said = join(containerd.directory, 'hooks')
  const spec = join(containerd.directory, 'spec.json')
  const bundle = join(containerd.directory, 'hooked')
  await must(['sh', '-c', `mkdir ${bundle}; cd ${bundle}; runc spec`])
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as Record<string, unknown>
  const hook = (name: string) => [{ path: '/bin/sh', args: ['sh', '-c', `cat >/dev/null; echo ${name} >>${said}`] }]
  const process = { ...(config['process'] as object), args: ['true'], terminal: false }
  const hooks = Object.fromEntries(['createRuntime', 'poststart', 'poststop'].map((name) => [name, hook(name)]))
  const root = { path: join(containerd.directory, 'image/rootfs') }
  writeFileSync(
    spec,
    JSON.stringify({
      ...config,
      process,
      hooks,
      root,
      linux: { ...(config['linux'] as object), cgroupsPath: '/default/hooked' },
    }),
  )
  const result = await containerd.ctr(['run', ...RUNTIME, '--rm', '--null-io', '--config', spec, 'hooked'])
  assert.deepEqual(result, { code: 0, stdout: '', stderr: '' })
  assert.equal(readFileSync(said, 'utf8'), 'createRuntime\npoststart\npoststop\n')
  await assertNothingLeft()
})
