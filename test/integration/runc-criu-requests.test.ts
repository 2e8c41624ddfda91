// checkpoint and restore ask criu for just what runc asks it for: both with the same program in criu's place, which notes its requests.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { REQUEST } from '../../src/runc/criu/messages.ts'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { type CommandResult, eventually, must, run } from '../harness/command.ts'
import { type FakeCriu, makeFakeCriu } from '../harness/criu.ts'
import { OURS, type Side, SIDES } from '../harness/drop-in.ts'
import { makeBundle, skipWithout } from '../harness/runtime.ts'

const skip = skipWithout('runc')
const directory = mkdtempSync(join(tmpdir(), 'berth-criu-requests-'))
const bundle = join(directory, 'bundle')
const images = join(directory, 'images')
const id = `criu-${process.pid}`
const names = { net: `berth-criu-${process.pid}` }
let fake: FakeCriu
let spec: RuntimeSpec

before(async () => {
  if (skip !== false) return
  fake = makeFakeCriu(directory)
  mkdirSync(join(directory, 'bound'))
  writeFileSync(join(directory, 'hooked'), '')
  writeFileSync(join(directory, 'bound/kept'), 'kept')
  spec = await makeBundle(bundle, (made) => {
    made.root = { path: 'rootfs' }
    if (made.process !== undefined) made.process.args = ['sleep', '1000']
    made.mounts?.push(
      { destination: '/new/bound', type: 'bind', source: join(directory, 'bound'), options: ['rbind'] },
      { destination: '/new/bound/below', type: 'bind', source: join(directory, 'hooked'), options: ['bind', 'ro'] },
      { destination: '/link/bound', type: 'bind', source: join(directory, 'bound'), options: ['rbind'] },
    )
  })
  await must(['ln', '-s', '/usr', join(bundle, 'rootfs/link')])
  await must(['mkdir', '-p', join(bundle, 'rootfs/usr')])
})

afterEach(async () => {
  if (skip !== false) return
  for (const side of SIDES) await call(side, ['delete', '--force', id])
  fake.takeNotes()
})

after(async () => {
  await run(['ip', 'netns', 'del', names.net])
  rmSync(directory, { recursive: true, force: true })
})

const rootOf = (side: Side) => join(directory, `root-${side.name}`)
const configure = (edit: (spec: RuntimeSpec) => void) => {
  const changed = structuredClone(spec)
  edit(changed)
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(changed))
}

/** None of its streams is kept open by what it leaves behind. */
async function call(side: Side, args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
  const streams = 'exec "$@" </dev/null >"$0.out" 2>"$0.err"'
  const place = join(directory, `said-${side.name}`)
  const argv = ['/bin/sh', '-c', streams, place, side.path, '--root', rootOf(side), ...args]
  const { code } = await run(argv, { env: { ...fake.env, ...env }, cwd: bundle, timeoutMs: 30_000 })
  return { code, stdout: readFileSync(`${place}.out`, 'utf8'), stderr: readFileSync(`${place}.err`, 'utf8') }
}

interface Scene {
  checkpoint: readonly string[]
  restore: readonly string[]
  env?: Record<string, string>
}

/** Everything that criu heard from a container's run to its end, and how the runtime ended each time. */
async function play(side: Side, { checkpoint, restore, env }: Scene): Promise<unknown[]> {
  await rm(images, { recursive: true, force: true })
  await mkdir(images)
  const paths = ['--image-path', images, '--work-path', join(images, 'work')]
  try {
    await mustCall(side, ['run', '--detach', '--bundle', bundle, id])
    const dumped = await call(side, ['checkpoint', ...paths, ...checkpoint, id], env)
    const statusAfterDump = await statusOf(side)
    const dump = { code: dumped.code, stderr: words(dumped.stderr, side), statusAfterDump, notes: notesOf(side) }
    await call(side, ['delete', '--force', id])
    const restored = await call(side, ['restore', '--detach', '--bundle', bundle, ...paths, ...restore, id], env)
    const files = readdirSync(images).filter((name) => !name.endsWith('.log'))
    const notes = notesOf(side)
    return [
      dump,
      { code: restored.code, stderr: words(restored.stderr, side), status: await statusOf(side), files, notes },
    ]
  } finally {
    await call(side, ['delete', '--force', id])
  }
}

async function mustCall(side: Side, args: readonly string[]): Promise<void> {
  const { code, stderr } = await call(side, args)
  assert.equal(code, 0, `${side.name} ${args.join(' ')}: ${stderr}`)
}

async function statusOf(side: Side): Promise<string> {
  const { stdout } = await call(side, ['state', id])
  return /"status": "(\w+)"/.exec(stdout)?.[1] ?? 'none'
}

function words(text: string, side: Side): string {
  return (
    text
      .replaceAll(rootOf(side), '<root>')
      .replace(/time="[^"]*"/g, 'time')
      .split('\n')
      // Quotes of criu's log, which only newer ones give; and older ones delete also what they have not checkpointed, in vain.
      .filter((line) => !/level=warning|container still running/.test(line))
      .map((line) => line.replace(/CRIU is missing features|criu is missing features: \[\w+\]/, 'missing features'))
      .sort()
      .join('\n')
  )
}

/** Options that say what an absent one says too are left out; lists whose order means nothing are sorted. */
function notesOf(side: Side): unknown[] {
  return fake
    .takeNotes()
    .filter(({ notified }) => notified === undefined || notified === 'post-restore')
    .map((note) => {
      const { pid, ...rest } = note
      if (rest['type'] === REQUEST.restore) delete rest['manageCgroupsMode'] // older ones keep it to themselves
      const text = JSON.stringify({ ...rest, ...(pid === undefined ? {} : { pid: typeof pid }) })
      const plain: unknown = JSON.parse(
        text
          .replaceAll(rootOf(side), '<root>')
          .replace(/pipe:\[\d+\]/g, 'pipe')
          .replaceAll(GROUP_OF_THE_CALLER, ''),
      )
      return normalise(plain)
    })
}

/** Restoring, runc binds the control groups that it is in itself where the container had its own. Ours come back as they were. */
const GROUP_OF_THE_CALLER = new RegExp(`(?<="value":"/sys/fs/cgroup/[^"]*)/${id}(?=")`, 'g')

function normalise(value: unknown): unknown {
  if (Array.isArray(value)) return [...new Set(value.map((item) => JSON.stringify(normalise(item))))].sort()
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(
    ([, item]) => item !== false && item !== '' && !(Array.isArray(item) && item.length === 0),
  )
  return Object.fromEntries(kept.map(([name, item]) => [name, normalise(item)]))
}

async function assertSameScene(scene: Scene): Promise<void> {
  const played: unknown[][] = []
  for (const side of SIDES) played.push(await play(side, scene))
  assert.deepEqual(played[0], played[1])
}

const NOTHING: Scene = { checkpoint: [], restore: [] }
const BOTH = [
  '--tcp-established',
  '--ext-unix-sk',
  '--shell-job',
  '--file-locks',
  '--auto-dedup',
  '--empty-ns',
  'network',
]

describe('requests', { skip }, () => {
  test('of a plain container', async () => {
    configure(() => {})
    await assertSameScene(NOTHING)
  })

  test('with every flag', async () => {
    configure(() => {})
    await assertSameScene({
      checkpoint: [...BOTH, '--manage-cgroups-mode', 'full', '--page-server', '127.0.0.1:27'],
      restore: [...BOTH, '--manage-cgroups-mode', 'strict', '--lsm-profile', 'apparmor:x', '--lsm-mount-context', 'y'],
    })
    await assertSameScene({
      checkpoint: ['--leave-running', '--manage-cgroups-mode', 'soft'],
      restore: ['--manage-cgroups-mode', 'soft', '--lazy-pages', '--no-subreaper', '--no-pivot'],
    })
  })

  test('of a container with and without a cgroup namespace', async () => {
    for (const has of [true, false]) {
      configure((made) => {
        const { namespaces = [] } = made.linux ?? {}
        const others = namespaces.filter(({ type }) => type !== 'cgroup')
        made.linux = { ...made.linux, namespaces: has ? [...others, { type: 'cgroup' }] : others }
      })
      await assertSameScene(NOTHING)
    }
  })

  test('of a container in namespaces of others, with a criu configuration of its own', async () => {
    await must(['ip', 'netns', 'add', names.net])
    configure((made) => {
      made.annotations = { 'org.criu.config': '/etc/own.conf' }
      const network = made.linux?.namespaces?.find(({ type }) => type === 'network')
      if (network !== undefined) network.path = `/run/netns/${names.net}`
      const uts = made.linux?.namespaces?.find(({ type }) => type === 'uts')
      if (uts !== undefined) uts.path = `/proc/${process.pid}/ns/uts`
      delete made.hostname
    })
    await assertSameScene(NOTHING)
    configure((made) => {
      made.annotations = { 'org.criu.config': '' }
    })
    await assertSameScene(NOTHING)
  })

  test('of a pre-dump, a dump that builds on it, and lazy pages', async () => {
    configure(() => {})
    for (const side of SIDES) await mkdir(join(directory, `images-${side.name}`, 'first'), { recursive: true })
    const told: unknown[][] = []
    for (const side of SIDES) {
      const own = join(directory, `images-${side.name}`)
      await mustCall(side, ['run', '--detach', '--bundle', bundle, id])
      await mustCall(side, ['checkpoint', '--pre-dump', '--image-path', join(own, 'first'), id])
      assert.equal(await statusOf(side), 'running')
      assert.deepEqual(readdirSync(join(own, 'first')), [])
      await mustCall(side, [
        'checkpoint',
        '--image-path',
        join(own, 'second'),
        '--parent-path',
        '../first',
        '--lazy-pages',
        id,
      ])
      told.push(JSON.parse(JSON.stringify(notesOf(side)).replaceAll(own, '<own>')))
      assert.equal(await statusOf(side), 'none')
    }
    assert.deepEqual(told[0], told[1])
  })

  test('a status descriptor gets a zero byte when pages can be asked for', async () => {
    configure(() => {})
    for (const side of SIDES) {
      await mustCall(side, ['run', '--detach', '--bundle', bundle, id])
      const line = `"$@" 5>${directory}/status-fd`
      const args = ['checkpoint', '--lazy-pages', '--status-fd', '5', '--image-path', images, id]
      await must(['sh', '-c', line, 'sh', side.path, '--root', rootOf(side), ...args], { env: fake.env, cwd: bundle })
      assert.deepEqual([...readFileSync(join(directory, 'status-fd'))], [0], side.name)
      fake.takeNotes()
    }
  })
})

describe('failures', { skip }, () => {
  test('are told in runc’s words', async () => {
    configure(() => {})
    const lines: { args: readonly string[]; env?: Record<string, string> }[] = [
      { args: ['checkpoint', 'nope'] },
      { args: ['checkpoint', '--image-path', images, '--manage-cgroups-mode', 'odd', id] },
      { args: ['checkpoint', '--image-path', images, '--empty-ns', 'pid', id] },
      { args: ['checkpoint', '--image-path', images, '--page-server', 'host', id] },
      { args: ['checkpoint', '--image-path', images, '--page-server', 'host:port', id] },
      { args: ['checkpoint', '--image-path', images, '--parent-path', '/absolute', id] },
      { args: ['checkpoint', '--image-path', images, '--parent-path', 'none', id] },
      { args: ['checkpoint', '--image-path', images, id], env: { PATH: '/nowhere' } },
      { args: ['checkpoint', '--image-path', images, '--pre-dump', id], env: { FAKE_CRIU_LACKS: 'mem-track' } },
      { args: ['checkpoint', '--image-path', images, '--lazy-pages', id], env: { FAKE_CRIU_LACKS: 'lazy-pages' } },
      { args: ['checkpoint', '--image-path', images, '--lazy-pages', '--status-fd', '77', id] },
      { args: ['restore', '--image-path', images, id] },
      { args: ['restore', '--bundle', '/nonexistent', '--image-path', images, 'other'] },
      { args: ['restore', '--image-path', join(directory, 'empty'), 'other'] },
      { args: ['restore', '--console-socket', '/none', '--image-path', images, 'other'] },
    ]
    const answers: string[][] = []
    for (const side of SIDES) {
      const told: string[] = []
      await mustCall(side, ['run', '--detach', '--bundle', bundle, id])
      try {
        for (const { args, env } of lines) {
          const { code, stderr } = await call(side, args, env)
          told.push(`${args.join(' ')} => ${code} ${words(stderr, side)}`)
        }
      } finally {
        await call(side, ['delete', '--force', id])
      }
      answers.push(told)
    }
    assert.deepEqual(answers[0], answers[1])
  })

  test('of criu leave a container as it is, and nothing of one that was not restored', async () => {
    configure(() => {})
    await mustCall(OURS, ['run', '--detach', '--bundle', bundle, id])
    const dump = await call(OURS, ['checkpoint', '--image-path', images, id], { FAKE_CRIU_FAILS_AT: 'network-lock' })
    assert.equal(dump.code, 1)
    assert.match(dump.stderr, /Error \(fake\.c:1\): it failed at network-lock/)
    assert.match(dump.stderr, /criu failed: type DUMP errno 2\\nlog file: .*\/dump\.log/)
    assert.equal(await statusOf(OURS), 'running')
    await call(OURS, ['delete', '--force', id])
    const env = { FAKE_CRIU_FAILS_AT: 'setup-namespaces' }
    const restored = await call(OURS, ['restore', '--detach', '--image-path', images, id], env)
    assert.match(restored.stderr, /criu failed: type RESTORE errno 2\\nlog file: .*\/restore\.log/)
    assert.equal(await statusOf(OURS), 'none')
    await assertNothingLeft()
  })
})

describe('a runtime that is killed', { skip }, () => {
  for (const stage of ['pre-restore', 'setup-namespaces', 'pre-resume'])
    test(`while it restores, at ${stage}, leaves nothing that delete --force does not remove`, async () => {
      configure(() => {})
      await mustCall(OURS, ['run', '--detach', '--bundle', bundle, id])
      await mustCall(OURS, ['checkpoint', '--image-path', images, id])
      const env = { ...process.env, ...fake.env, FAKE_CRIU_HANGS_AT: stage }
      const argv = ['--root', rootOf(OURS), 'restore', '--detach', '--image-path', images, id]
      const runtime = spawn(OURS.path, argv, { env, cwd: bundle, stdio: 'ignore' })
      const isHanging = () => mountsOf(rootOf(OURS)).length > 0
      await eventually('criu works', 20_000, () => isHanging() && fake.peekNotes().includes(`"hangs":"${stage}"`))
      runtime.kill('SIGKILL')
      await mustCall(OURS, ['delete', '--force', id])
      assert.ok(existsSync(join(bundle, 'rootfs/bin/busybox')), 'the root file system is whole')
      assert.equal(readFileSync(join(directory, 'bound/kept'), 'utf8'), 'kept')
      assert.equal(await statusOf(OURS), 'none')
      await assertNothingLeft()
    })
})

const mountsOf = (path: string) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(path))

async function assertNothingLeft(): Promise<void> {
  await eventually('groups and mounts are gone', 10_000, async () => {
    const { stdout } = await run(['find', '/sys/fs/cgroup', '-name', id])
    return stdout === '' && !readFileSync('/proc/self/mountinfo', 'utf8').includes(directory)
  })
}

describe('hooks, terminals, ends', { skip }, () => {
  test('hooks of the creation run, and see the restored process', async () => {
    const told = join(directory, 'hook-states')
    configure((made) => {
      const hook = { path: '/bin/sh', args: ['sh', '-c', `cat >>${told}; echo >>${told}`] }
      made.hooks = { prestart: [hook], createRuntime: [hook], poststart: [hook] }
    })
    const states: unknown[] = []
    for (const side of SIDES) {
      rmSync(told, { force: true })
      await rm(images, { recursive: true, force: true })
      await mustCall(side, ['run', '--detach', '--bundle', bundle, id])
      await mustCall(side, ['checkpoint', '--image-path', images, id])
      rmSync(told)
      await mustCall(side, ['restore', '--detach', '--image-path', images, id])
      const lines = readFileSync(told, 'utf8').trim().split('\n')
      states.push(
        lines.map((line) =>
          Object.keys(JSON.parse(line))
            .filter((key) => key !== 'rootfs' && key !== 'created' && key !== 'owner')
            .sort(),
        ),
      )
      for (const line of lines) assert.ok(JSON.parse(line).pid > 0)
      await call(side, ['delete', '--force', id])
    }
    assert.deepEqual(states[0], states[1])
  })

  test('a foreground restore ends as its process does, and takes the container with it', async () => {
    configure(() => {})
    for (const side of SIDES) {
      await rm(images, { recursive: true, force: true })
      await mustCall(side, ['run', '--detach', '--bundle', bundle, id])
      await mustCall(side, ['checkpoint', '--image-path', images, id])
      const pidFile = join(directory, 'pid')
      rmSync(pidFile, { force: true })
      const ended = call(side, ['restore', '--pid-file', pidFile, '--image-path', images, id])
      await eventually('it runs', 20_000, async () => (await statusOf(side)) === 'running')
      const pid = await eventually(
        'its pid is there',
        20_000,
        () => existsSync(pidFile) && readFileSync(pidFile, 'utf8'),
      )
      const { stdout } = await run([side.path, '--root', rootOf(side), 'state', id])
      assert.equal(pid, /"pid": (\d+)/.exec(stdout)?.[1])
      await run([side.path, '--root', rootOf(side), 'kill', id, 'KILL'])
      assert.equal((await ended).code, 137, side.name)
      assert.equal(await statusOf(side), 'none')
    }
    fake.takeNotes()
    await assertNothingLeft()
  })

  test('--criu names the program', async () => {
    configure(() => {})
    await mustCall(OURS, ['run', '--detach', '--bundle', bundle, id])
    const argv = [OURS.path, '--root', rootOf(OURS), '--criu', fake.program, 'checkpoint', '--image-path', images, id]
    await must(argv, { env: { FAKE_CRIU_DIRECTORY: fake.folder, PATH: '/usr/bin:/bin' }, cwd: bundle })
    assert.ok(fake.takeNotes().length > 0)
    assert.equal(await statusOf(OURS), 'none')
  })

  test('crun’s flags reach criu', async () => {
    configure(() => {})
    await mustCall(OURS, ['run', '--detach', '--bundle', bundle, id])
    await mustCall(OURS, [
      'checkpoint',
      '--network-lock',
      'nftables',
      '--link-remap',
      '--tcp-skip-in-flight',
      '--image-path',
      images,
      id,
    ])
    const [dump] = fake.takeNotes()
    assert.deepEqual([dump?.['networkLock'], dump?.['linkRemap'], dump?.['tcpSkipInFlight']], [2, true, true])
    await mustCall(OURS, ['restore', '--detach', '--tcp-close', '--network-lock', 'skip', '--image-path', images, id])
    const [restored] = fake.takeNotes()
    assert.deepEqual([restored?.['networkLock'], restored?.['tcpClose']], [3, true])
    await call(OURS, ['delete', '--force', id])
    const { stderr } = await call(OURS, ['checkpoint', '--network-lock', 'odd', id])
    assert.match(stderr, /container does not exist/)
  })
})
