// What a program in a container tries against the processes that come in, and what a configuration tries with identities. Each test
// names the line that stops it: without that line the test fails.
import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, statSync, writeSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { buildAttacker } from '../harness/attacker.ts'
import { must, run } from '../harness/command.ts'
import { openTrial, type Trial } from '../harness/hostile-bundle.ts'
import { RUNTIME } from '../harness/runtime.ts'

let trial: Trial
let attacker: string
let sleeper: string

before(async () => {
  trial = await openTrial('process')
  attacker = await buildAttacker(trial.directory)
  sleeper = await trial.start({ args: ['sleep', '1000'], spec: withAttacker })
})

after(() => trial[Symbol.asyncDispose]())

function withAttacker(spec: RuntimeSpec): void {
  spec.mounts?.push({ destination: '/attacker', type: 'bind', source: attacker, options: ['bind', 'ro'] })
}

const told = (status: string, key: string) => new RegExp(`^${key}:\\t(.*)$`, 'm').exec(status)?.[1]?.trim()

// CVE-2016-9962. Stopped by PR_SET_DUMPABLE in native/init.c: a created container waits for its start with the capabilities that it will
// have, and a neighbour in its PID namespace can open all of it.
test('who shares the PID namespace cannot reach a process that waits to become a container', async () => {
  const pid = await trial.pidOf(sleeper)
  const waiting = await trial.create({
    args: ['true'],
    spec: (spec) => {
      spec.linux?.namespaces?.forEach((namespace) => {
        if (namespace.type === 'pid') namespace.path = `/proc/${pid}/ns/pid`
      })
    },
  })
  const status = readFileSync(`/proc/${await trial.pidOf(waiting)}/status`, 'utf8')
  const inside = told(status, 'NSpid')?.split(/\s+/).at(-1) ?? ''
  for (const name of ['fd/0', 'exe', 'root', 'maps', 'environ', 'mem'])
    assert.match(
      (await trial.call(['exec', sleeper, '/attacker', 'reach', inside, name])).stdout,
      /Permission denied/,
      name,
    )
})

// CVE-2019-5736. Stopped by sealProgram, which spawn-init.ts runs berth-init through: a plain copy could be opened again and written to.
test('the runtime inside a container is a sealed copy, and nobody’s file', async () => {
  const waiting = await trial.create({ args: ['true'] })
  const exe = `/proc/${await trial.pidOf(waiting)}/exe`
  assert.match(readlinkSync(exe), /^\/memfd:/)
  const held = openSync(exe, 'r')
  try {
    await must([RUNTIME, '--root', join(trial.directory, 'state'), 'delete', '--force', waiting])
    const again = openSync(`/proc/self/fd/${held}`, 'r+') // nobody executes it any more
    try {
      assert.throws(() => writeSync(again, 'x', 0), { code: 'EPERM' })
    } finally {
      closeSync(again)
    }
  } finally {
    closeSync(held)
  }
  const itself = await trial.run({ args: ['/proc/self/exe'] })
  assert.notEqual(itself.code, 0)
})

// CVE-2024-21626, its first half. Stopped three times: by what berth-runc hands on (spawn-init.ts), by lay_out in native/init.c, and by the
// close-fds step of plan-process.ts.
test('no descriptor of the caller reaches a container', async () => {
  const bundle = await trial.bundle({ args: ['ls', '-l', '/proc/self/fd'] })
  const script = `exec 7</ 8<${trial.victim} 9>/dev/null; exec "$@"`
  const root = join(trial.directory, 'state')
  const first = await run([
    'sh',
    '-c',
    script,
    'sh',
    RUNTIME,
    '--root',
    root,
    'run',
    '--bundle',
    bundle,
    `fds-${process.pid}`,
  ])
  const second = await run([
    'sh',
    '-c',
    script,
    'sh',
    RUNTIME,
    '--root',
    root,
    'exec',
    sleeper,
    'ls',
    '-l',
    '/proc/self/fd',
  ])
  const third = `waits-${process.pid}`
  await must(['sh', '-c', `${script} <&- >&- 2>&-`, 'sh', RUNTIME, '--root', root, 'create', '--bundle', bundle, third])
  const held = `/proc/${await trial.pidOf(third)}/fd`
  const identity = (path: string) => `${statSync(path).dev}:${statSync(path).ino}`
  const forbidden = ['/', trial.victim].map(identity)
  const leaked = readdirSync(held).filter((fd) => forbidden.includes(identity(join(held, fd))))
  assert.deepEqual(leaked, [], 'nor one that waits')
  for (const { code, stdout, stderr } of [first, second]) {
    assert.equal(code, 0, stderr)
    const open = [...stdout.matchAll(/ (\d+) -> (\S+)/g)].map(([, fd, target]) => ({ fd: Number(fd), target }))
    assert.deepEqual(
      open.filter(({ fd, target }) => fd > 2 && !target?.startsWith('/proc/')),
      [],
    )
  }
})

// CVE-2024-21626, its second half. Stopped by getcwd in step_chdir (native/steps-exec.c) and by lay_out in native/init.c.
test('no working directory lies outside', async () => {
  for (let fd = 3; fd < 12; fd++)
    for (const cwd of [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/../../..`]) {
      const result = await trial.run({
        args: ['ls', '-a'],
        spec: (spec) => {
          if (spec.process !== undefined) spec.process.cwd = cwd
        },
      })
      assert.doesNotMatch(result.stdout, /lost\+found|vmlinuz|state\b|template/, cwd)
      const added = await trial.call(['exec', '--cwd', cwd, sleeper, 'ls', '-a'])
      assert.doesNotMatch(added.stdout, /lost\+found|vmlinuz|state\b|template/, cwd)
    }
})

// The same without a descriptor to go through: among the host's processes there are roots to step into. Stopped by getcwd alone where
// a process is added, and before that by RESOLVE_NO_MAGICLINKS in step_make_path where the first one is made.
test('no working directory is another process’s root', async () => {
  const seesHost = (spec: RuntimeSpec) => {
    if (spec.linux !== undefined)
      spec.linux.namespaces = spec.linux.namespaces?.filter(({ type }) => type !== 'pid') ?? []
    spec.mounts = spec.mounts?.filter(({ type }) => type !== 'proc') ?? []
    spec.mounts.push({ destination: '/proc', type: 'bind', source: '/proc', options: ['rbind'] })
  }
  const among = await trial.start({ args: ['sleep', '1000'], spec: seesHost })
  for (const cwd of [`/proc/${process.pid}/root`, `/proc/${process.pid}/cwd`]) {
    const first = await trial.run({
      args: ['ls', '-a'],
      spec: (spec) => {
        seesHost(spec)
        if (spec.process !== undefined) spec.process.cwd = cwd
      },
    })
    const added = await trial.call(['exec', '--cwd', cwd, among, 'ls', '-a'])
    for (const { code, stdout } of [first, added]) assert.deepEqual([code === 0, stdout], [false, ''], cwd)
  }
})

// CVE-2022-24769, 2022-29162, 2022-27649 to 27652. Stopped by planCapabilities, which gives what the section says, and by exec's
// adding nothing to the inheritable and ambient sets.
test('no capability is inheritable or ambient unless it is asked for', async () => {
  const both = [
    (await trial.run({ args: ['cat', '/proc/self/status'] })).stdout,
    (await trial.call(['exec', sleeper, 'cat', '/proc/self/status'])).stdout,
    (await trial.call(['exec', '--cap', 'CAP_NET_RAW', sleeper, 'cat', '/proc/self/status'])).stdout,
  ]
  for (const status of both) {
    assert.equal(Number(`0x${told(status, 'CapInh')}`), 0)
    assert.equal(Number(`0x${told(status, 'CapAmb')}`), 0)
    assert.notEqual(Number(`0x${told(status, 'CapEff')}`), 0)
  }
  assert.notEqual(told(both[2] ?? '', 'CapEff'), told(both[1] ?? '', 'CapEff'), '--cap adds where it should')
})

// CVE-2022-36109, 2023-25173. Stopped by the setgroups of step_set_ids (native/steps-identity.c): the caller's groups would stay.
test('a process has the groups that its configuration says, and none of the caller’s', async () => {
  const user = (groups: number[]) => (spec: RuntimeSpec) => {
    if (spec.process !== undefined) spec.process.user = { uid: 1000, gid: 1000, additionalGids: groups }
  }
  for (const groups of [[], [10, 1000]]) {
    const bundle = await trial.bundle({ args: ['grep', 'Groups', '/proc/self/status'], spec: user(groups) })
    const id = `groups-${process.pid}-${groups.length}`
    const argv = [RUNTIME, '--root', join(trial.directory, 'state'), 'run', '--bundle', bundle, id]
    const { stdout } = await run(['setpriv', '--groups', '4242,27', ...argv])
    assert.equal(stdout.trim().replace(/\s+/g, ' '), ['Groups:', ...groups].join(' '))
  }
})

// CVE-2026-30892. Stopped by the grammar of exec's --user, in src/runc.
test('exec takes a user for the number it is, or not at all', async () => {
  const who = (user: string) => trial.call(['exec', '--user', user, sleeper, 'sh', '-c', 'echo $(id -u):$(id -g)'])
  assert.equal((await who('1')).stdout, '1:0\n')
  assert.equal((await who('1:2')).stdout, '1:2\n')
  assert.equal((await who('4294967294:1')).stdout, '4294967294:1\n')
  for (const user of [
    '-1',
    '4294967295',
    '4294967296',
    '18446744073709551616',
    '1x',
    '1:',
    ':1',
    '0x1',
    '1:2:3',
    'root',
    ' 1',
    '1.0',
  ]) {
    const result = await who(user)
    assert.notEqual(result.code, 0, JSON.stringify(user))
    assert.equal(result.stdout, '', JSON.stringify(user))
  }
})

// CVE-2024-40635, 2026-46680. Stopped by the range of `id` in parse-runtime-spec.ts.
test('ids in a configuration have a range', async () => {
  for (const user of [
    '"uid": 4294967296',
    '"uid": -1',
    '"uid": 4294967295',
    '"uid": 1.5',
    '"uid": "0"',
    '"uid": 1, "gid": 4294967296',
    '"uid": 1, "additionalGids": [4294967296]',
  ]) {
    const bundle = await trial.bundle({ args: ['id'] })
    const config = join(bundle, 'config.json')
    const text = readFileSync(config, 'utf8')
    const changed = text.replace(/"user":\{[^}]*\}/, `"user":{${user}}`)
    assert.notEqual(changed, text)
    await must(['tee', config], { input: changed })
    const result = await trial.call(['run', '--bundle', bundle, `ids-${process.pid}`])
    assert.notEqual(result.code, 0, user)
    assert.doesNotMatch(result.stdout, /uid=/, user)
  }
})

// CVE-2024-9676, 2026-47262. Stopped by readFileInRoot (linux/read-file-in-root.ts): regular files only, opened without waiting, up to a size.
test('a user database that is a FIFO, a device, a link to the host or huge harms nobody', async () => {
  const scripts = [
    'rm etc/passwd; mkfifo etc/passwd',
    'rm etc/passwd; mknod etc/passwd c 1 5',
    'rm etc/passwd; ln -s /proc/1/root/etc/shadow etc/passwd',
    'rm etc/passwd; ln -s ../../../../../../../../etc/passwd etc/passwd',
    'truncate -s 20G etc/passwd',
    'rm etc/passwd; mkdir etc/passwd',
  ]
  for (const script of scripts) {
    const result = await trial.run({ script, args: ['sh', '-c', 'echo home $HOME'] }, { timeoutMs: 10_000 })
    assert.equal(result.code, 0, `${script}: ${result.stderr}`)
    assert.match(result.stdout, /^home \//, script)
  }
})

// The general rule behind CVE-2016-9962 and 2024-21626. Stopped by the same: whoever watches from inside, at whatever moment, gets nothing.
test('a container that watches every newcomer sees nothing of the host', async () => {
  const out = join(trial.directory, 'out')
  mkdirSync(out)
  const watcher = await trial.start({
    args: ['sh', '-c', `/attacker watch 1 ${trial.directory} >/out/log`],
    spec: (spec) => {
      withAttacker(spec)
      spec.mounts?.push({ destination: '/out', type: 'bind', source: out, options: ['bind'] })
    },
  })
  // Its standard streams are the caller's to give.
  const argv = [RUNTIME, '--root', join(trial.directory, 'state'), 'exec', watcher, 'true']
  for (let round = 0; round < 10; round++) await must(['sh', '-c', '"$@" </dev/null >/dev/null', 'sh', ...argv])
  assert.equal(readFileSync(join(out, 'log'), 'utf8'), '')
})

// CVE-2024-21626 with company. Stopped by the same: the terminal's and the channel's ends are the companion's alone.
test('a container in the foreground has its standard streams and nothing else', async () => {
  const bundle = await trial.bundle({ args: ['sh', '-c', 'echo up; sleep 1000'] })
  const id = `foreground-${process.pid}`
  const child = spawn(RUNTIME, ['--root', join(trial.directory, 'state'), 'run', '--bundle', bundle, id], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const pid = await trial.pidOf(id)
  assert.deepEqual(readdirSync(`/proc/${pid}/fd`).sort(), ['0', '1', '2'])
  await trial.call(['delete', '--force', id])
  await ended
})
