// The original dockerd with our runtime beside runc: the same Docker command lines, and the same to be seen of both.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { must, run } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import {
  assertSame,
  type Comparison,
  makeProbedTree,
  OURS,
  parseLines,
  PROBE,
  type Side,
  THEIRS,
} from '../harness/drop-in.ts'
import { skipWithout } from '../harness/runtime.ts'
import { ALMIGHTY, LIVES, PROBED, RUNS, TENDED } from './drop-in-dockerd-lines.ts'

const skip = skipWithout('dockerd', 'docker', 'runc')
let directory = ''
let files = ''
let dockerd: RealDockerd | undefined

const envOf = (side: Side): Record<string, string> => ({
  DOCKER_HOST: `unix://${dockerd?.socketPath}`,
  DOCKER_CONFIG: join(directory, 'config'),
  R: `--runtime=${side.name}`,
  I: 'busybox',
  F: files,
})
const comparison: Comparison = {
  env: envOf,
  cwd: () => directory,
  cleanup: 'docker rm -fv $C; docker volume rm -f $C-volume',
  explain: () => dockerd?.log().slice(-1500) ?? '',
}

before(async () => {
  if (skip !== false) return
  assert.ok(existsSync(OURS.path), `${OURS.path} is not built`)
  directory = await mkdtemp(join(tmpdir(), 'drop-in-dockerd-'))
  files = join(directory, 'files')
  await mkdir(files)
  await writeFile(join(files, 'file'), 'from the host\n')
  await writeFile(join(files, 'probe'), PROBE)
  const profile = (action: string) =>
    JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action }] })
  await writeFile(join(files, 'no-mkdir.json'), profile('SCMP_ACT_ERRNO'))
  await writeFile(join(files, 'kill.json'), profile('SCMP_ACT_KILL'))
  await makeProbedTree(join(directory, 'tree'))
  // A bind mount that is to propagate needs a source that does.
  await mkdir(join(files, 'shared'))
  await must(['sh', '-ec', 'mount --bind shared shared; mount --make-shared shared'], { cwd: files })
  dockerd = await startDockerd({
    bridge: true,
    args: [OURS, THEIRS].flatMap(({ name, path }) => (name === 'runc' ? [] : ['--add-runtime', `${name}=${path}`])),
  })
  await must(['sh', '-c', 'tar -C "$1" -c . | docker import -c "CMD sh" - busybox', 'sh', join(directory, 'tree')], {
    env: envOf(OURS),
  })
})

after(async () => {
  if (dockerd !== undefined) {
    await run(['sh', '-c', 'docker ps -aq | xargs -r docker rm -fv'], { env: envOf(OURS) })
    await dockerd[Symbol.asyncDispose]()
  }
  await run(['umount', join(files, 'shared')])
  if (directory !== '') await rm(directory, { recursive: true, force: true })
})

describe('run', { skip, concurrency: 3 }, () => {
  for (const line of parseLines(RUNS)) test(line.script, () => assertSame(line, comparison))
})

describe('what a container sees', { skip, concurrency: 3 }, () => {
  for (const flags of PROBED)
    test(flags === '' ? 'without flags' : flags, () =>
      assertSame({ code: 0, script: `docker run $R --rm -v $F/probe:/probe:ro ${flags} $I sh /probe` }, comparison),
    )
})

describe('a running container', { skip, concurrency: 3 }, () => {
  for (const line of parseLines(LIVES))
    test(line.script, () => assertSame({ code: line.code, script: `${START}; ${line.script}` }, comparison))
})

const START = `docker run -d $R --name $C $I sh -c 'trap "echo usr1" USR1; trap "exit 7" TERM; while :; do sleep 0.05; done' >/dev/null`

const maskOf = (line: string) => BigInt(`0x${/[0-9a-f]{16}/.exec(line)?.[0]}`)

describe('all capabilities', { skip }, () => {
  for (const { code, script } of parseLines(ALMIGHTY))
    test(script, async (t) => {
      const whole = script.includes('exec') ? `${START}; ${script}` : script
      const theirs = await run(['sh', '-c', 'docker run $R --rm --cap-add ALL $I true'], { env: envOf(THEIRS) })
      if (!theirs.stderr.includes('unable to apply caps')) return assertSame({ code, script: whole }, comparison)
      // One capability is withheld from everybody on this machine: runc gives up, ours gives what there is.
      if (OURS.path === THEIRS.path) return t.skip('runc cannot')
      const env = { ...envOf(OURS), C: 'almighty' }
      const ours = await run(['sh', '-c', whole], { env })
      await run(['sh', '-c', comparison.cleanup], { env })
      assert.equal(ours.code, code, ours.stderr)
      // dockerd asks for those that it knows, which are fewer than the kernel has.
      const given = maskOf(ours.stdout)
      const known = (1n << BigInt(given.toString(2).length)) - 1n
      assert.equal(given, maskOf(/^CapBnd.*$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[0] ?? '') & known)
      assert.ok(known >= (1n << 38n) - 1n)
      return undefined
    })
})

describe('what dockerd looks after', { skip, concurrency: 3 }, () => {
  for (const line of parseLines(TENDED)) test(line.script, () => assertSame(line, comparison))
})

test('a program whose interpreter is missing is refused at its start', { skip }, async () => {
  // runc lets the container run, and end with 1.
  const { code, stderr } = await run(['sh', '-c', 'docker run $R --rm $I /bin/bad-interpreter'], { env: envOf(OURS) })
  assert.match(stderr, /exec \/bin\/bad-interpreter: no such file or directory/)
  assert.equal(code, OURS.path === THEIRS.path ? 1 : 127, stderr)
})
