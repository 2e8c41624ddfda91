// ctr saves and restores containers, with the real criu: of the original containerd through our shim, and of ours.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { eventually } from '../harness/command.ts'
import { skipWithoutCriu } from '../harness/criu.ts'
import { BERTH, BUSYBOX, type OriginalContainerd, startOriginalContainerd } from '../harness/original-containerd.ts'

const skip = await skipWithoutCriu()
const directory = mkdtempSync(join(tmpdir(), 'berth-shim-checkpoint-'))
let containerd: OriginalContainerd

after(() => rmSync(directory, { recursive: true, force: true }))

const statusOf = async (id: string) =>
  new RegExp(`^${id}\\s+\\d+\\s+(\\w+)`, 'm').exec(await containerd.ok('task', 'ls'))?.[1]

for (const [name, command] of [
  ['the original containerd', undefined],
  ['our containerd', BERTH],
] as const)
  describe(`a task of ${name}`, { skip }, () => {
    before(async () => {
      containerd = await startOriginalContainerd(command)
    })
    after(async () => await containerd[Symbol.asyncDispose]())
    const id = `saved-${process.pid}`
    const counter = join(directory, 'counter')
    const count = () => (existsSync(counter) ? Number(readFileSync(counter, 'utf8')) : 0)
    const countsBeyond = (least: number) => eventually(`it counts beyond ${least}`, 20_000, () => count() > least)
    const run = (...args: string[]) => {
      const mount = `type=bind,src=${directory},dst=/shared,options=rbind:rw`
      const script = 'n=0; while :; do n=$((n+1)); echo $n >/shared/counter; sleep 0.02; done'
      return containerd.ok('run', '--detach', '--null-io', '--mount', mount, ...args, BUSYBOX, id, 'sh', '-c', script)
    }
    const remove = async () => {
      await containerd.ctr(['task', 'rm', '--force', id])
      await containerd.ctr(['container', 'rm', id])
    }

    test('made by our plan is saved, left running, and brought back', async () => {
      try {
        await run()
        await countsBeyond(60)
        const reference = 'localhost/saved:1'
        await containerd.ok('container', 'checkpoint', '--task', '--image', id, reference)
        assert.equal(await statusOf(id), 'RUNNING')
        await countsBeyond(count())
        await containerd.ok('task', 'kill', '--signal', 'KILL', id)
        await eventually('it has ended', 10_000, async () => (await statusOf(id)) === 'STOPPED')
        await remove()
        rmSync(counter)
        await containerd.ok('container', 'restore', '--live', id, reference)
        await countsBeyond(0)
        assert.ok(count() > 60, `it goes on, and does not begin anew: ${count()}`)
        assert.equal(await statusOf(id), 'RUNNING')
        assert.equal(await containerd.ok('task', 'exec', '--exec-id', 'e', id, 'cat', '/proc/1/comm'), 'sh')
        await containerd.ok('task', 'pause', id)
        assert.equal(await statusOf(id), 'PAUSED')
        await containerd.ok('task', 'resume', id)
        await countsBeyond(count())
        await containerd.ok('task', 'kill', '--signal', 'KILL', id)
        await eventually('it has ended again', 10_000, async () => (await statusOf(id)) === 'STOPPED')
      } finally {
        await remove()
        rmSync(counter, { force: true })
      }
    })

    test('made by runc is saved by runc', async () => {
      try {
        await run('--runc-binary', 'runc')
        await countsBeyond(10)
        const images = join(directory, 'runc-images')
        await containerd.ok('task', 'checkpoint', '--image-path', images, id)
        assert.ok(readdirSync(images).includes('descriptors.json'))
        assert.equal(await statusOf(id), 'RUNNING')
      } finally {
        await remove()
        rmSync(counter, { force: true })
      }
    })

    test('that is saved with --exit ends', async () => {
      try {
        await run()
        await countsBeyond(10)
        await containerd.ok('task', 'checkpoint', '--exit', '--image-path', join(directory, 'last'), id)
        await eventually('it has ended', 10_000, async () => (await statusOf(id)) === 'STOPPED')
      } finally {
        await remove()
      }
    })
  })
