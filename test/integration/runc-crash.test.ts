// berth-runc is killed at any moment of a creation, and what it left is deleted by force: nothing may stay.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually, must, run } from '../harness/command.ts'
import { makeBundle, RUNTIME } from '../harness/runtime.ts'
import { endSoak, listSoakLeavings, makeSoak } from '../harness/soak.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-runc-crash-'))
const soak = { ...makeSoak(directory), prefix: `crash-${process.pid}-` }
const [root, bundle] = [join(directory, 'root'), join(directory, 'bundle')]

after(async () => {
  await endSoak(soak)
  rmSync(directory, { recursive: true, force: true })
})

const ROUNDS = 40
/** Longer than a creation takes where nothing else runs, so that the moments are spread over all of it. */
const SPREAD_MS = 40

test('a killed creation leaves nothing that delete --force does not take away', async () => {
  await mkdir(root)
  await makeBundle(bundle, (spec) => {
    if (spec.process !== undefined) spec.process.args = ['sleep', soak.mark]
    // One that takes its time, so that the moments in the middle are hit as well.
    spec.hooks = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', 'sleep 0.01'] }] }
  })
  const before = await listSoakLeavings(soak, [root])
  let killed = 0
  for (let round = 0; round < ROUNDS; round++) {
    const id = `${soak.prefix}${round}`
    const child = spawn(RUNTIME, ['--root', root, 'create', '--bundle', bundle, id], { stdio: 'ignore' })
    const ended = new Promise<string | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)))
    await new Promise((resolve) => setTimeout(resolve, (SPREAD_MS * round) / ROUNDS))
    child.kill('SIGKILL')
    if ((await ended) === 'SIGKILL') killed++
    await must([RUNTIME, '--root', root, 'delete', '--force', id])
  }
  assert.ok(killed > ROUNDS / 4, `only ${killed} of ${ROUNDS} were hit`)
  await eventually('nothing is left', 10_000, async () => {
    assert.deepEqual(await listSoakLeavings(soak, [root]), before)
    return true
  })
})

test('a creation that hangs is deleted by force', async () => {
  const id = `${soak.prefix}hung`
  const hung = join(directory, 'hung')
  await makeBundle(hung, (spec) => {
    if (spec.process !== undefined) spec.process.args = ['sleep', soak.mark]
    spec.hooks = { prestart: [{ path: '/bin/sh', args: ['sh', '-c', `sleep ${soak.mark}`] }] }
  })
  const before = await listSoakLeavings(soak, [root])
  const child = spawn(RUNTIME, ['--root', root, 'create', '--bundle', hung, id], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await eventually('it is being made', 10_000, async () => {
    const { stdout } = await run([RUNTIME, '--root', root, 'state', id])
    return /"status": "creating"/.test(stdout)
  })
  await must([RUNTIME, '--root', root, 'delete', '--force', id])
  await ended
  await endSoak(soak) // the hook itself is the host's
  await eventually('nothing is left', 10_000, async () => {
    assert.deepEqual(await listSoakLeavings(soak, [root]), before)
    return true
  })
})

test('a state that is no state hides no other container, and goes by force', async () => {
  const id = `${soak.prefix}broken`
  await mkdir(join(root, id))
  await must(['sh', '-c', `echo '{"berth":' > ${join(root, id, 'state.json')}`])
  const other = `${soak.prefix}whole`
  await must([
    'sh',
    '-c',
    `exec ${RUNTIME} --root ${root} create --bundle ${bundle} ${other} >/dev/null 2>&1 </dev/null`,
  ])
  assert.equal(await must([RUNTIME, '--root', root, 'list', '--quiet']), other)
  await must([RUNTIME, '--root', root, 'delete', '--force', id])
  await must([RUNTIME, '--root', root, 'delete', '--force', other])
})
