// runc's own integration tests, which drive any runtime that RUNC names. Their helper programs are built from the same module;
// the images that they would download are made here.
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must, run } from '../harness/command.ts'
import { debianBase } from '../harness/debian.ts'
import { makeBusyboxTree } from '../harness/images.ts'
import { ROOT } from '../harness/root.ts'
import { fetchModule, go } from './go-module.ts'
import { type Outcome, parseTap, type Runtime, type Suite } from './suite.ts'

const VERSION = 'v1.1.5' // Debian 12's
const HOME = join(ROOT, 'build/conformance/runc')
const IMAGES = join(ROOT, 'build/conformance/images')
const PROGRAM_MS = 260_000

export const runcBats: Suite = { name: 'runc', version: VERSION, prepare, programs, run: runProgram }

async function prepare(): Promise<void> {
  if (existsSync(join(HOME, 'done'))) return
  await fetchModule('github.com/opencontainers/runc', VERSION, HOME)
  for (const name of ['recvtty', 'sd-helper', 'seccompagent'])
    await go(join(HOME, 'contrib/cmd', name), ['build', '-tags', 'seccomp', '-o', name, '.'])
  await makeImages()
  const variables = ['busybox', 'hello', 'debian'].map(
    (name) => `echo ${name.toUpperCase()}_IMAGE=${join(IMAGES, `${name}.tar`)}`,
  )
  await writeFile(join(HOME, 'tests/integration/get-images.sh'), `#!/bin/sh\n${variables.join('\n')}\n`, {
    mode: 0o755,
  })
  await writeFile(join(HOME, 'done'), VERSION)
}

async function programs(): Promise<string[]> {
  const files = await readdir(join(HOME, 'tests/integration'))
  return files.filter((name) => name.endsWith('.bats')).sort()
}

async function runProgram(program: string, runtime: Runtime): Promise<Outcome> {
  const scratch = await mkdtemp(join(tmpdir(), 'berth-bats-'))
  try {
    await chmod(scratch, 0o755) // for users of other user namespaces
    const output = join(scratch, 'tap')
    const bats = `timeout -k 5 240 bats --tap ${join(HOME, 'tests/integration', program)} >${output}`
    // runc wants a controlling terminal where a test has one.
    const { code } = await run(['script', '-qec', bats, '/dev/null'], {
      env: { RUNC: runtime.path, TMPDIR: scratch },
      timeoutMs: PROGRAM_MS,
    })
    const stdout = await readFile(output, 'utf8')
    if (process.env['CONFORMANCE_VERBOSE'] === '1') console.log(stdout)
    return parseTap(stdout, code)
  } finally {
    await rm(scratch, { recursive: true, force: true })
    // Whoever fails a test of theirs leaves groups that get in the way of the next.
    const groups = ['-depth', '-type', 'd', '-path', '*/runc-cgroups-integration-test*']
    await run(['find', '/sys/fs/cgroup', ...groups, '-exec', 'rmdir', '{}', ';'])
  }
}

async function makeImages(): Promise<void> {
  await mkdir(IMAGES, { recursive: true })
  const directory = await mkdtemp(join(tmpdir(), 'berth-images-'))
  try {
    const busybox = join(directory, 'busybox')
    await mkdir(busybox)
    await makeBusyboxTree(busybox)
    // The tests put links in these places, and know nobody but root.
    await must(['rm', '-r', ...['proc', 'sys'].map((name) => join(busybox, name))])
    await must(['sed', '-i', '/^user:/d', join(busybox, 'etc/passwd'), join(busybox, 'etc/group')])
    await must(['tar', '-C', busybox, '-cf', join(IMAGES, 'busybox.tar'), '.'])
    const hello = join(directory, 'hello')
    await mkdir(hello)
    await writeFile(join(directory, 'hello.c'), '#include <stdio.h>\nint main(void) { return puts("Hello") < 0; }\n')
    await must(['cc', '-static', '-o', join(hello, 'hello'), join(directory, 'hello.c')])
    await must(['tar', '-C', hello, '-cf', join(IMAGES, 'hello.tar'), '.'])
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  await rm(join(IMAGES, 'debian.tar'), { force: true })
  await symlink(await debianBase(), join(IMAGES, 'debian.tar'))
}
