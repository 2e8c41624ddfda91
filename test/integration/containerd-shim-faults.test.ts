// berth-containerd with shims that go wrong: it says what went wrong, and nothing stays.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Failure } from '../../src/base/failure.ts'
import { RUNTIME_SPEC_TYPE } from '../../src/containerd/client/any.ts'
import { installFakeShims, toldOf, type Way } from '../harness/fake-shim.ts'
import { type OurContainerd, startOurContainerd } from '../harness/our-containerd.ts'
import { eventually } from '../harness/command.ts'

let containerd: OurContainerd

before(async () => {
  containerd = await startOurContainerd()
  installFakeShims(containerd.programs)
})

after(() => containerd[Symbol.asyncDispose]())

/** A container's record under a shim of this way, gone afterwards. */
async function withContainer(
  way: Way,
  work: (id: string) => Promise<void>,
  text = '{"ociVersion":"1.0.2"}',
): Promise<void> {
  const id = `c-${way}`
  const spec = { typeUrl: RUNTIME_SPEC_TYPE, value: Buffer.from(text) }
  await containerd.client.containers.create({ container: { id, spec, runtime: { name: `io.fake.${way}.v1` } } })
  try {
    await work(id)
  } finally {
    await containerd.client.containers.delete({ id })
  }
}

const create = (containerId: string, timeoutMs = 20_000) =>
  containerd.client.tasks.create({ containerId }, { timeoutMs })

/** The answer of Create to a shim of this way, which leaves nothing: also none of its processes. */
async function failureOf(way: Way, timeoutMs?: number): Promise<Failure> {
  let failure: Failure | undefined
  await withContainer(way, async (id) => {
    await create(id, timeoutMs).catch((error: Failure) => {
      failure = error
    })
    await containerd.nothingLeft()
    assert.deepEqual((await containerd.client.tasks.list({})).tasks, [])
  })
  assert.ok(failure, 'it was created')
  return failure
}

const CASES: [way: Way, code: string, words: RegExp][] = [
  ['refused', 'unknown', /^failed to start shim: start failed: no luck today: exit status 3$/],
  ['garbled', 'unknown', /^failed to start shim: start failed: shim answered no address: "what a lovely day"$/],
  [
    'unreachable',
    'unknown',
    /^failed to start shim: start failed: failed to create TTRPC connection: dial unix \/run\/containerd\/s\/nobody/,
  ],
  ['failing', 'failed-precondition', /^failed to create shim task: the moon is not full: failed precondition$/],
  ['dying', 'unavailable', /^failed to create shim task: ttrpc: closed: unavailable$/],
]

for (const [way, code, words] of CASES)
  test(`a shim that is ${way} when a task is created`, async () => {
    const failure = await failureOf(way)
    assert.equal(failure.code, code)
    assert.match(failure.message, words)
  })

for (const way of ['stuck', 'mute', 'slow'] as const)
  test(`a caller that loses patience with a shim that is ${way}`, async () => {
    const failure = await failureOf(way, 1_000)
    assert.equal(failure.code, 'deadline-exceeded')
  })

test('a shim that does not shut down is killed', async () => {
  await withContainer('staying', async (id) => {
    await create(id)
    await containerd.client.tasks.start({ containerId: id })
    await containerd.client.tasks.kill({ containerId: id, signal: 9 })
    assert.equal((await containerd.client.tasks.delete({ containerId: id })).exitStatus, 7)
    await containerd.nothingLeft()
  })
})

for (const way of ['modern', 'recent'] as const)
  test(`a shim of the next generation (${way}) gets its parameters, and is spoken to in its version`, async () => {
    await withContainer(way, async (id) => {
      await create(id)
      assert.equal((await containerd.client.tasks.get({ containerId: id })).process?.status, 1)
      await containerd.client.tasks.kill({ containerId: id, signal: 9 })
      await containerd.client.tasks.delete({ containerId: id })
      await containerd.nothingLeft()
    })
  })

test('the daemon is killed between a shim’s start and its container’s creation: the next one ends the shim', async () => {
  await withContainer('slow', async (id) => {
    const creating = create(id).catch(() => {})
    const bundle = join(containerd.directory, 'state/io.containerd.runtime.v2.task', containerd.namespace, id)
    await eventually('the shim has answered', 10_000, () => readdirSync(bundle).includes('bootstrap.json'))
    await containerd.stop('SIGKILL')
    mkdirSync(join(bundle, '../.half-removed/rootfs'), { recursive: true })
    await containerd.start()
    await creating
    await containerd.nothingLeft()
  })
})

test('a spec that is none is refused before anything is started, and one’s root may reach its bundle', async () => {
  for (const spec of [
    '',
    'no json',
    '[]',
    '{"linux":{"gidMappings":"x"}}',
    '{"linux":{"gidMappings":[{"containerID":0}]}}',
  ])
    await withContainer(
      'well',
      async (id) => {
        await assert.rejects(create(id), { code: 'invalid-argument' }, spec)
        await containerd.nothingLeft()
      },
      spec,
    )
  const mapped =
    '{"linux":{"gidMappings":[{"containerID":1,"hostID":7,"size":1},{"containerID":0,"hostID":4242,"size":1}]}}'
  await withContainer(
    'well',
    async (id) => {
      await create(id)
      const bundle = join(containerd.directory, 'state/io.containerd.runtime.v2.task', containerd.namespace, id)
      const { gid, mode } = statSync(bundle)
      assert.deepEqual([gid, mode & 0o777], [4242, 0o710])
      await containerd.client.tasks.kill({ containerId: id, signal: 9 })
      await containerd.client.tasks.delete({ containerId: id })
    },
    mapped,
  )
})

test('a request may name a shim by its path, whatever the container’s record says', async () => {
  await withContainer('refused', async (id) => {
    const runtimePath = join(containerd.programs, 'containerd-shim-well-v1')
    await containerd.client.tasks.create({ containerId: id, runtimePath })
    await containerd.client.tasks.kill({ containerId: id, signal: 9 })
    assert.equal((await containerd.client.tasks.delete({ containerId: id })).exitStatus, 7)
    await containerd.nothingLeft()
  })
})

test('two callers create the same task at once: one does', async () => {
  await withContainer('well', async (id) => {
    const outcomes = await Promise.allSettled([create(id), create(id), create(id)])
    const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Failure] : []))
    assert.deepEqual(
      failed.map(({ code }) => code),
      ['already-exists', 'already-exists'],
    )
    await containerd.client.tasks.kill({ containerId: id, signal: 9 })
    await containerd.client.tasks.delete({ containerId: id })
    await containerd.nothingLeft()
  })
})

test('a checkpoint becomes content, and a task begins from it', async () => {
  await withContainer('well', async (id) => {
    await create(id)
    // What nothing names may be collected at any time.
    const { lease } = await containerd.client.leases.create({ id: 'checkpoints' })
    const held = { headers: { 'containerd-lease': 'checkpoints' } }
    const { descriptors } = await containerd.client.tasks.checkpoint({ containerId: id }, held)
    assert.deepEqual(
      descriptors.map(({ mediaType }) => mediaType),
      [
        'application/vnd.containerd.container.criu.checkpoint.criu.tar',
        'application/vnd.containerd.container.checkpoint.config.v1+proto',
      ],
    )
    const again = await containerd.client.tasks.checkpoint({ containerId: id }, held)
    assert.equal(again.descriptors[1]?.digest, descriptors[1]?.digest)
    await containerd.client.tasks.kill({ containerId: id, signal: 9 })
    await containerd.client.tasks.delete({ containerId: id })
    const [checkpoint] = descriptors
    assert.ok(checkpoint)
    await containerd.client.tasks.create({ containerId: id, checkpoint })
    assert.match(toldOf(containerd.programs), /c-well restores remembered/)
    await containerd.client.leases.delete({ id: lease?.id ?? '' })
    await containerd.client.tasks.kill({ containerId: id, signal: 9 })
    await containerd.client.tasks.delete({ containerId: id })
    await containerd.nothingLeft()
  })
})

test('what a shim could not clean up itself its program is asked to', async () => {
  const cleaned = (way: Way) => toldOf(containerd.programs).includes(`c-${way} delete in `)
  for (const way of ['garbled', 'failing', 'dying', 'stuck', 'mute'] as const) assert.ok(cleaned(way), way)
  assert.ok(!cleaned('well'), 'its Delete did it')
})
