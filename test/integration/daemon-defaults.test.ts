// Settings of the daemon that reach into containers, each proved from inside one.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

const directory = mkdtempSync(join(tmpdir(), 'daemon-defaults-'))
let engine: TestEngine
let registry: TestRegistry
let image: string

before(async () => {
  const resolvConf = join(directory, 'resolv.conf')
  writeFileSync(resolvConf, 'nameserver 192.0.2.53\nsearch from.the.file\n')
  const profile = join(directory, 'profile.json')
  const rule = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }
  writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }))
  const settings = {
    'default-shm-size': '24m',
    'default-stop-timeout': 1,
    'default-cgroupns-mode': 'private',
    'host-gateway-ips': ['192.0.2.1', '2001:db8::1'],
    'resolv-conf': resolvConf,
    'seccomp-profile': profile,
    'init-path': '/bin/busybox',
  }
  const file = join(directory, 'daemon.json')
  writeFileSync(file, JSON.stringify(settings))
  engine = await startEngine({ args: ['--config-file', file] })
  registry = await startRegistry(`${directory}/registry`)
  image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', image)
})
after(async () => {
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
})

const sh = (options: readonly string[], script: string) =>
  engine.ok('run', '--rm', ...options, image, 'sh', '-c', script)

test('the size of /dev/shm, the namespace of control groups and the resolver are the daemon’s', async () => {
  assert.match(await sh([], 'df -k /dev/shm'), / 24576 /)
  assert.equal(await sh(['--shm-size', '8m'], 'df -k /dev/shm | grep -c " 8192 "'), '1')
  assert.match(await sh([], 'cat /etc/resolv.conf'), /nameserver 192\.0\.2\.53\n.*search from\.the\.file/s)
  await engine.ok('create', '--name', 'shown', image, 'true')
  assert.equal(await engine.ok('inspect', '-f', '{{.HostConfig.CgroupnsMode}}', 'shown'), 'private')
})

test('host-gateway stands for the addresses that were configured', async () => {
  const hosts = await sh(['--add-host', 'gate:host-gateway'], 'grep gate /etc/hosts')
  assert.deepEqual(
    hosts.split('\n').map((line) => line.split(/\s+/)),
    [
      ['192.0.2.1', 'gate'],
      ['2001:db8::1', 'gate'],
    ],
  )
})

test('the daemon’s seccomp profile holds where a container names none', async () => {
  const refused = await engine.docker(['run', '--rm', image, 'mkdir', '/x'])
  assert.match(refused.stderr, /Function not implemented/)
  assert.equal(await sh(['--security-opt', 'seccomp=unconfined'], 'mkdir /x && echo made'), 'made')
  assert.equal(await sh(['--privileged'], 'mkdir /x && echo made'), 'made')
  assert.match(await engine.ok('info', '-f', '{{json .SecurityOptions}}'), /name=seccomp,profile=.*profile\.json/)
})

test('the init program is the one that was configured', async () => {
  // busybox, told to be /sbin/docker-init, says that it has no such applet.
  const said = await engine.docker(['run', '--rm', '--init', image, 'true'])
  assert.match(said.stderr, /docker-init: applet not found/)
})

test('a container that is not told how long it has gets the daemon’s time to stop', async () => {
  await engine.ok('run', '-d', '--name', 'stubborn', image, 'sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done')
  await engine.ok('stop', 'stubborn')
  assert.equal(await engine.ok('inspect', '-f', '{{.State.ExitCode}}', 'stubborn'), '137')
})

test('with systemd as the driver of control groups a container asks it for a scope', async () => {
  await using other = await startEngine({ args: ['--exec-opt', 'native.cgroupdriver=systemd'] })
  assert.equal(await other.ok('info', '-f', '{{.CgroupDriver}}'), 'systemd')
  await other.ok('pull', '-q', image)
  const { code, stderr } = await other.docker(['run', '--rm', image, 'true'])
  // Where no systemd runs, the attempt to reach it is what can be seen.
  if (existsSync('/run/systemd/private')) assert.equal(code, 0, stderr)
  else assert.match(stderr, /systemd|dbus/i)
})
