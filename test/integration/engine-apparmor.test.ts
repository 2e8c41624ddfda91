// AppArmor's default profile: loaded, kept loaded and asked for, by an engine that finds the files of a kernel with AppArmor. The kernel of a test machine
// may have none, so those files, the program that loads and the runtime that applies are stood in for; what is read of them is what the engine says.
import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must, run } from '../harness/command.ts'
import { makeBusyboxTree } from '../harness/images.ts'
import { BIN } from '../harness/root.ts'

const SECURITY = '/sys/kernel/security'
const MODULES = '/sys/module'
const profiles = join(SECURITY, 'apparmor/profiles')
const directory = mkdtempSync(join(tmpdir(), 'engine-apparmor-'))
const loads = join(directory, 'loads')
const processes = join(directory, 'processes')
let engine: TestEngine

/** Takes note of the profile in a bundle's configuration or an exec's process, and has the runtime run it without. */
const RUNTIME = `#!/usr/bin/env python3
import json, os, sys
args = sys.argv[1:]
def note(verb, path, of):
    document = json.load(open(path))
    process = of(document)
    open(${JSON.stringify(processes)}, 'a').write(f"{verb} {process.pop('apparmorProfile', '')}\\n")
    json.dump(document, open(path, 'w'))
if 'create' in args:
    note('create', os.path.join(args[args.index('--bundle') + 1], 'config.json'), lambda document: document['process'])
if 'exec' in args:
    note('exec', args[args.index('--process') + 1], lambda document: document)
os.execv(${JSON.stringify(join(BIN, 'berth-runc'))}, ['berth-runc', *args])
`

/** Has loaded what it is given, where that is what it is to be. */
const PARSER = `#!/bin/sh
{ echo "apparmor_parser $*"; cat; echo; } >>${loads}
if [ -e ${directory}/broken ]; then echo "AppArmor parser error" >&2; exit 1; fi
grep -q "^docker-default " ${profiles} || echo "docker-default (enforce)" >>${profiles}
`

before(async () => {
  for (const place of [SECURITY, MODULES]) await must(['mount', '-t', 'tmpfs', 'tmpfs', place])
  mkdirSync(join(SECURITY, 'apparmor'))
  writeFileSync(profiles, '/usr/bin/man (enforce)\n')
  mkdirSync(join(MODULES, 'apparmor/parameters'), { recursive: true })
  writeFileSync(join(MODULES, 'apparmor/parameters/enabled'), 'Y\n')
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  for (const [name, text] of Object.entries({ apparmor_parser: PARSER, runtime: RUNTIME })) {
    writeFileSync(join(bin, name), text)
    chmodSync(join(bin, name), 0o755)
  }
  const config = join(directory, 'daemon.json')
  writeFileSync(config, JSON.stringify({ runtimes: { noting: { path: join(bin, 'runtime') } } }))
  engine = await startEngine({
    args: ['--config-file', config],
    env: { PATH: `${bin}:${process.env['PATH']}`, container: '' },
  })
  const tree = join(directory, 'tree')
  await makeBusyboxTree(tree)
  await must(['sh', '-c', 'tar -C "$0" -c . | docker import - busybox', tree], { env: { DOCKER_HOST: engine.host } })
})

after(async () => {
  await engine[Symbol.asyncDispose]()
  for (const place of [SECURITY, MODULES]) await run(['umount', place])
  rmSync(directory, { recursive: true, force: true })
})

const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n')
const profileOf = (id: string) => engine.ok('inspect', '-f', '{{.AppArmorProfile}}', id)
const noted = async (work: () => Promise<unknown>) => {
  writeFileSync(processes, '')
  await work()
  return readFileSync(processes, 'utf8').replace(/\n$/, '').split('\n')
}

test('the daemon loads the profile as it starts, even over one of that name, and says so in info', async () => {
  const [command, ...text] = linesOf(loads)
  assert.equal(command, 'apparmor_parser -Kr')
  assert.ok(text.includes('profile docker-default flags=(attach_disconnected, mediate_deleted) {'))
  assert.match(await engine.ok('info', '-f', '{{json .SecurityOptions}}'), /^\["name=apparmor","name=seccomp/)
  await engine.stop()
  await engine.start()
  assert.equal(linesOf(loads).filter((line) => line === command).length, 2)
})

test('a container has it, with its execs, unless it has another one, or none', async () => {
  const cases = [
    [[], 'docker-default'],
    [['--security-opt', 'apparmor=own'], 'own'],
    [['--security-opt', 'apparmor=unconfined'], 'unconfined'],
    [['--privileged'], 'unconfined'],
    [['--privileged', '--security-opt', 'apparmor=own'], 'unconfined'],
  ] as const
  for (const [options, profile] of cases) {
    const id = await engine.ok('create', '--runtime', 'noting', ...options, 'busybox', 'sleep', '1000')
    const asked = options.find((option) => option.startsWith('apparmor='))?.slice('apparmor='.length)
    assert.equal(await profileOf(id), asked ?? '', 'before it has run')
    const seen = await noted(async () => {
      await engine.ok('start', id)
      await engine.ok('exec', id, 'true')
      await engine.ok('exec', '--privileged', id, 'true')
    })
    assert.deepEqual(seen, [`create ${profile}`, `exec ${profile}`, `exec ${profile}`], options.join(' '))
    assert.equal(await profileOf(id), profile)
    await engine.ok('rm', '-f', id)
  }
})

test('what somebody unloads is loaded again for the next container, and for the next exec', async () => {
  const count = () => linesOf(loads).filter((line) => line.startsWith('apparmor_parser')).length
  const unload = () => writeFileSync(profiles, '/usr/bin/man (enforce)\n')
  const before = count()
  unload()
  const id = await engine.ok('run', '-d', '--runtime', 'noting', 'busybox', 'sleep', '1000')
  assert.equal(count(), before + 1)
  unload()
  await engine.ok('exec', id, 'true')
  assert.equal(count(), before + 2)
  await engine.ok('exec', id, 'true')
  assert.equal(count(), before + 2)
  await engine.ok('rm', '-f', id)
})

test("a profile that cannot be loaded stops the container, in Docker's words, and no other", async () => {
  writeFileSync(profiles, '')
  writeFileSync(join(directory, 'broken'), '')
  const refused = await engine.docker(['run', '--rm', '--runtime', 'noting', 'busybox', 'true'])
  assert.match(
    refused.stderr,
    /AppArmor enabled on system but the docker-default profile could not be loaded: running '\S+\/apparmor_parser -Kr' failed with output: AppArmor parser error\n+error: exit status 1/,
  )
  assert.equal(refused.code, 125)
  await engine.ok('run', '--rm', '--security-opt', 'apparmor=unconfined', 'busybox', 'true')
  await engine.stop()
  await engine.start()
  await eventually('the daemon says so, and serves', 5_000, () =>
    engine.log().includes('AppArmor enabled on system but the docker-default profile could not be loaded'),
  )
  rmSync(join(directory, 'broken'))
  assert.equal((await engine.docker(['run', '--rm', '--runtime', 'noting', 'busybox', 'true'])).code, 0)
})

test('our own runtime is asked for it: without it in the kernel nothing runs that is to be confined', async () => {
  appendFileSync(profiles, 'strict (enforce)\n')
  const { code, stderr } = await engine.docker(['run', '--rm', '--security-opt', 'apparmor=strict', 'busybox', 'true'])
  assert.equal(code === 0 || /apparmor/.test(stderr), true, stderr)
  // A kernel that has AppArmor knows no profile of that name: only this file does.
  assert.notEqual(code, 0)
})

test('a kernel without AppArmor runs containers whatever they ask for', async () => {
  writeFileSync(join(MODULES, 'apparmor/parameters/enabled'), 'N\n')
  await engine.stop()
  await engine.start()
  assert.doesNotMatch(await engine.ok('info', '-f', '{{json .SecurityOptions}}'), /apparmor/)
  const seen = await noted(async () => {
    const options = ['--security-opt', 'apparmor=own', '--runtime', 'noting']
    const id = await engine.ok('run', '-d', ...options, 'busybox', 'sleep', '1000')
    await engine.ok('exec', id, 'true')
    assert.equal(await profileOf(id), '')
    await engine.ok('rm', '-f', id)
  })
  assert.deepEqual(seen, ['create ', 'exec '])
})
