// What an image, or whoever shares its files, tries while the runtime mounts, by the advisory that taught it. Each test names the
// line that stops it: without that line the test fails.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { buildAttacker } from '../harness/attacker.ts'
import { must } from '../harness/command.ts'
import { openTrial, type Trial } from '../harness/hostile-bundle.ts'

let trial: Trial
let attacker: string

before(async () => {
  trial = await openTrial('files')
  attacker = await buildAttacker(trial.directory)
})

after(() => trial[Symbol.asyncDispose]())

const ROUNDS = 12

/** Without the mount at this place, so that the image's own file shows. */
function without(spec: RuntimeSpec, ...destinations: string[]): void {
  spec.mounts =
    spec.mounts?.filter(({ destination }) => !destinations.some((each) => `${destination}/`.startsWith(`${each}/`))) ??
    []
}

/** Exchanges two names in a tree while `work` runs. */
async function whileSwapping(first: string, second: string, work: () => Promise<void>): Promise<void> {
  const swapper: ChildProcess = spawn(attacker, ['swap', first, second], { stdio: 'inherit' })
  try {
    await work()
    assert.equal(swapper.exitCode, null, 'the names were exchanged all the time')
  } finally {
    swapper.kill('SIGKILL')
  }
}

// CVE-2019-16884, 2019-19921. Stopped by ALLOWED_IN_PROC and the look at the type in check-mounts.ts.
test('nothing is mounted into /proc, nor anything but procfs onto it', async () => {
  for (const [destination, type] of [
    ['/proc/self/attr', 'tmpfs'],
    ['/proc/sys/net', 'tmpfs'],
    ['/x/../proc/self', 'bind'],
    ['/proc', 'tmpfs'],
    ['/proc/', 'bind'],
  ] as const) {
    const result = await trial.run({
      args: ['cat', '/proc/self/attr/current'],
      spec: (spec) => {
        spec.mounts?.push({ destination, type, source: trial.victim, options: type === 'bind' ? ['rbind'] : [] })
      },
    })
    assert.notEqual(result.code, 0, destination)
    assert.match(result.stderr, /cannot be mounted because it is (?:inside \/proc|not of type proc)/, destination)
  }
})

// CVE-2019-19921, 2023-27561, 2023-28642. Stopped by the O_NOFOLLOW open of proc and sysfs targets in plan-mounts.ts.
test('an image whose /proc or /sys is a link is refused', async () => {
  for (const place of ['proc', 'sys']) {
    const result = await trial.run({
      script: `rmdir ${place}; mkdir -p elsewhere; ln -s /elsewhere ${place}`,
      args: ['grep', '-c', 'elsewhere', '/proc/mounts'],
    })
    assert.notEqual(result.code, 0, place)
    assert.match(result.stderr, /must be (?:mounted on )?(?:an ordinary )?directory|not a directory/, place)
  }
})

// CVE-2019-19921, the race: whoever shares the root file system may rename what is mounted on, at any time. Stopped by placeOf in
// plan-paths.ts: paths are hidden in the procfs that was mounted, wherever it is by then. By its name, a procfs showed everything.
test('a /proc that is exchanged all the time hides what it should', async () => {
  const look = '(cd $place 2>/dev/null && test -e self/status && if test -c keys; then echo hidden; else echo open; fi)'
  const bundle = await trial.bundle({
    script: 'mkdir elsewhere; ln -s /elsewhere swapped',
    args: ['sh', '-c', `for place in /proc /swapped; do ${look}; done; true`],
  })
  const root = join(bundle, 'rootfs')
  const calm = await trial.call(['run', '--bundle', bundle, `calm-${process.pid}`])
  assert.equal(calm.stdout, 'hidden\n', calm.stderr)
  await whileSwapping(join(root, 'proc'), join(root, 'swapped'), async () => {
    for (let round = 0; round < 2 * ROUNDS; round++) {
      const { stdout } = await trial.call(['run', '--bundle', bundle, `race-${process.pid}-${round}`])
      assert.doesNotMatch(stdout, /open/)
    }
  })
  trial.checkVictim()
})

// CVE-2021-30465, 2024-45310. Stopped by RESOLVE_IN_ROOT in open_done and step_make_path (native/steps-files.c) and by move_mount onto
// what they opened.
test('a mount point that is exchanged for a link to the host all the time leaves the host alone', async () => {
  const bundle = await trial.bundle({
    script: 'mkdir -p data/deep; ln -s "$VICTIM" swapped',
    spec: (spec) => {
      const source = trial.directory
      spec.mounts?.push({ destination: '/data/inside', type: 'bind', source, options: ['rbind'] })
      spec.mounts?.push({ destination: '/data/new/one/two', type: 'bind', source, options: ['rbind'] })
      spec.mounts?.push({ destination: '/data/file', type: 'bind', source: attacker, options: ['bind'] })
    },
  })
  const root = join(bundle, 'rootfs')
  await whileSwapping(join(root, 'data'), join(root, 'swapped'), async () => {
    for (let round = 0; round < ROUNDS; round++)
      await trial.call(['run', '--bundle', bundle, `points-${process.pid}-${round}`])
  })
  trial.checkVictim()
})

// CVE-2021-30465, 2024-45310, 2025-24965, without a race. Stopped by the same.
test('links to the host at every name that a runtime makes lead into the image', async () => {
  const result = await trial.run({
    script: `for name in data etc run .krun_config.json .dockerenv; do rm -rf $name; ln -s "../../../../../../../../$VICTIM" $name; done`,
    args: ['true'],
    spec: (spec) => {
      spec.mounts?.push({ destination: '/data/made', type: 'tmpfs', source: 'tmpfs' })
      spec.mounts?.push({ destination: '/etc/hosts', type: 'bind', source: attacker, options: ['bind'] })
      spec.mounts?.push({ destination: '/run/.containerenv', type: 'bind', source: attacker, options: ['bind'] })
    },
  })
  assert.equal(result.code, 0, result.stderr)
  trial.checkVictim()
})

// CVE-2026-41579, 2026-47766. Stopped by RESOLVE_IN_ROOT in step_open_in_root and step_make_path: devices, links and ptmx are made by
// descriptor of the directory that /dev is inside.
test('an image whose /dev is a link to the host has its devices made in the image', async () => {
  for (const destinations of [['/dev'], []]) {
    const result = await trial.run({
      script: 'rmdir dev; ln -s "../../../../../../../../$VICTIM" dev',
      args: ['ls', '/dev/'],
      spec: (spec) => without(spec, ...destinations),
    })
    trial.checkVictim()
    if (result.code === 0) assert.doesNotMatch(result.stdout, /inside/)
  }
})

// CVE-2025-31133. Stopped by the look at the device's numbers in step_mask (native/steps-mount.c).
test('a false /dev/null masks nothing: the container is refused', async () => {
  const devices = join(trial.directory, 'devices')
  await must(['sh', '-ec', `mkdir ${devices}; echo shown >${devices}/null`])
  const result = await trial.run({
    args: ['cat', '/proc/keys'],
    spec: (spec) => {
      without(spec, '/dev')
      spec.mounts?.push({ destination: '/dev', type: 'bind', source: devices, options: ['rbind'] })
    },
  })
  assert.notEqual(result.code, 0)
  assert.doesNotMatch(result.stdout, /shown/)
  const linked = await trial.run({
    script: 'rmdir dev; mkdir dev; ln -s /etc/passwd dev/null',
    args: ['cat', '/proc/keys'],
    spec: (spec) => without(spec, '/dev'),
  })
  assert.doesNotMatch(linked.stdout, /root:x/)
})

// CVE-2025-52565. Stopped by TIOCGPTPEER in step_pty (native/steps-exec.c) and by opening the console's target inside the root.
test('a /dev/console that is a link covers nothing but itself', async () => {
  const bundle = await trial.bundle({
    script: 'rmdir dev; mkdir dev; ln -s /proc/sys/kernel/core_pattern dev/console',
    args: ['sh', '-c', 'stat -c %F /proc/sys/kernel/core_pattern /dev/console >/told'],
    spec: (spec) => {
      without(spec, '/dev')
      if (spec.process !== undefined) spec.process.terminal = true
    },
  })
  const socket = join(trial.directory, 'console.sock')
  const server = createServer((connection) => connection.resume()).listen(socket)
  try {
    const id = `console-${process.pid}`
    const result = await trial.call(['create', '--bundle', bundle, '--console-socket', socket, id])
    if (result.code === 0) await trial.call(['start', id])
    const told = join(bundle, 'rootfs/told')
    const deadline = Date.now() + 3000
    while (result.code === 0 && !existsSync(told) && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20))
    if (existsSync(told)) assert.match(readFileSync(told, 'utf8'), /^regular(?: empty)? file\n/)
    else assert.notEqual(result.code, 0, 'it runs and tells, or is refused')
  } finally {
    server.close()
  }
})

// CVE-2025-52881. Stopped by the procfs of its own that planSysctls writes through (SLOT.proc, plan-container.ts).
test('a sysctl goes to the kernel, whatever the image has over its path', async () => {
  const id = await trial.start({
    script: 'ln -s /proc/sys/net/ipv4 cover',
    args: ['sleep', '1000'],
    spec: (spec) => {
      spec.mounts?.push({ destination: '/cover', type: 'tmpfs', source: 'tmpfs' })
      if (spec.linux !== undefined) spec.linux.sysctl = { 'net.ipv4.ip_default_ttl': '77' }
    },
  })
  const pid = await trial.pidOf(id)
  assert.equal(await must(['nsenter', '-t', String(pid), '-n', 'cat', '/proc/sys/net/ipv4/ip_default_ttl']), '77')
  const seen = await must(['nsenter', '-t', String(pid), '-m', '-n', 'ls', '/cover/'])
  assert.equal(seen, '', 'nothing was written into the image’s mount')
})
