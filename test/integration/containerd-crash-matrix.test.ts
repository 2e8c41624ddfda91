// kill -9 of berth-containerd at every failpoint: afterwards what was acknowledged is there, what ran runs on, nothing is left over, and the same request succeeds.
//
// CRASH_SEED=n CRASH_STEPS=m: besides, m kills at failpoints, hits and requests taken at random.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAILPOINTS } from '../../src/containerd/failpoints.ts'
import { Random } from '../fuzz/mutate.ts'
import { CrashingContainerd } from '../harness/crashing-containerd.ts'
import { MATRIX, type Operation } from './containerd-crash-operations.ts'

/** Each with a daemon of its own; most of the time each waits. */
const GROUPS = 3
/** CRASH_ONLY=apply: the failpoints with that in their names. */
const ONLY = process.env['CRASH_ONLY'] ?? ''

async function interrupt(
  world: CrashingContainerd,
  operation: Operation,
  failpoints: string,
): Promise<NodeJS.Signals | null> {
  if (world.isDead) await world.start() // an earlier entry failed
  let reason: unknown
  await operation.prepare?.(world)
  await world.stop('SIGKILL')
  operation.offline?.(world)
  await world.start(failpoints)
  // Its connection ends with the daemon; any other reason is why that goes on.
  if (!world.isDead)
    await operation.run?.(world).catch((error: unknown) => {
      reason = error
    })
  return await world.ended().catch((error: unknown) => {
    throw new Error(`${String(error)}
${String(reason)}`)
  })
}

async function recover(world: CrashingContainerd, operation: Operation): Promise<void> {
  await world.start()
  await world.assertSound()
  await operation.repeat?.(world)
  await world.assertNothingLeft()
}

test('every failpoint has a request that comes to it', () => {
  assert.deepEqual(MATRIX.map(({ name }) => name).sort(), [...FAILPOINTS].sort())
})

test('kill -9 at each failpoint', { concurrency: GROUPS }, async (t) => {
  const groups = Array.from({ length: GROUPS }, (_, group) =>
    MATRIX.filter(({ name }, index) => index % GROUPS === group && name.includes(ONLY)),
  )
  await Promise.all(
    groups.map((entries, group) =>
      t.test(`group ${group + 1}`, async (t) => {
        await using world = new CrashingContainerd()
        await world.start()
        await world.fill()
        for (const { title, name, operation } of entries)
          await t.test(`${name} (${title})`, async () => {
            assert.equal(await interrupt(world, operation, `${name}=kill`), 'SIGKILL', world.log())
            await recover(world, operation)
          })
      }),
    ),
  )
})

const steps = Number(process.env['CRASH_STEPS'] ?? 0)

test('kill -9 at random', { skip: steps === 0 && 'CRASH_STEPS is not set' }, async (t) => {
  const seed = Number(process.env['CRASH_SEED'] ?? Date.now() % 1e6)
  t.diagnostic(`CRASH_SEED=${seed} CRASH_STEPS=${steps}`)
  const random = new Random(seed)
  await using world = new CrashingContainerd()
  await world.start()
  await world.fill()
  for (let step = 0; step < steps; step++) {
    const { title, operation } = MATRIX[random.below(MATRIX.length)]!
    const points = `${FAILPOINTS[random.below(FAILPOINTS.length)]}=${random.below(4)}*off->kill;${FAILPOINTS[random.below(FAILPOINTS.length)]}=kill`
    await t.test(`${title}: ${points}`, async () => {
      await operation.prepare?.(world)
      await world.stop('SIGKILL')
      operation.offline?.(world)
      await world.start(points)
      if (!world.isDead) await operation.run?.(world).catch(() => {})
      await world.stop('SIGKILL') // where neither was come to
      await recover(world, operation)
    })
  }
})
