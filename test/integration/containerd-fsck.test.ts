// berth-containerd fsck, and a start on a database that is damaged, missing or torn: never a crash loop, and as much comes back as the disk tells.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type CommandResult, run } from '../harness/command.ts'
import { CrashingContainerd } from '../harness/crashing-containerd.ts'
import { BIN } from '../harness/root.ts'

let world: CrashingContainerd

before(async () => {
  world = new CrashingContainerd()
  await world.start()
  await world.fill()
})

after(() => world[Symbol.asyncDispose]())

function fsck(...flags: string[]): Promise<CommandResult> {
  return run([join(BIN, 'berth-containerd'), 'fsck', '--root', world.root, '--state', world.state, ...flags])
}

const database = () => join(world.root, 'meta.db')
const blob = () => join(world.root, 'content/blobs/sha256', world.layer.digest.slice(7))

/** Stops the daemon, lets `damage` happen, and puts everything back afterwards. */
async function damaged(damage: () => void, work: () => Promise<void>): Promise<void> {
  await world.stop('SIGTERM')
  const copy = join(world.directory, 'copy')
  cpSync(world.root, copy, { recursive: true, preserveTimestamps: true })
  try {
    damage()
    await work()
  } finally {
    await world.stop('SIGKILL')
    rmSync(world.root, { recursive: true })
    renameSync(copy, world.root)
    await world.start()
  }
}

test('a daemon’s root is clean; while it runs only a look is allowed', async () => {
  const refused = await fsck()
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /is in use by another process; stop the daemon, or try --read-only/)
  assert.deepEqual(await fsck('--read-only'), { code: 0, stdout: '', stderr: '' })
  assert.equal((await fsck('--repair', '--read-only')).code, 2)
  assert.equal((await run([join(BIN, 'berth-containerd'), 'fsck', '--root', '/nowhere'])).code, 2)
  await world.stop('SIGTERM')
  assert.deepEqual(await fsck(), { code: 0, stdout: '', stderr: '' })
  assert.deepEqual(await fsck('--repair'), { code: 0, stdout: '', stderr: '' })
  await world.start()
})

const snapshots = () => join(world.root, 'overlayfs/snapshots')
const flip = (path: string) => {
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1] = bytes[bytes.length >> 1]! ^ 1
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
}

/** What is done, what is told of it, what is told after a repair. */
const DAMAGES: { what: string; damage: () => void; told: RegExp; left?: RegExp }[] = [
  {
    what: 'a bit of a blob flips',
    damage: () => flip(blob()),
    told: /^damage blob-digest "sha256:/m,
    left: /^note label-reference-missing|^note image-content|^$/m,
  },
  {
    what: 'a blob is gone',
    damage: () => rmSync(blob()),
    told: /^damage blob-missing "sha256:.*pull what needs it again/m,
    left: /^$/,
  },
  {
    what: 'a file is no blob',
    damage: () => writeFileSync(join(world.root, 'content/blobs/sha256/x'), ''),
    told: /^damage blob-name/m,
  },
  {
    what: 'a blob has no record',
    damage: () => writeFileSync(join(world.root, 'content/blobs/sha256', 'f'.repeat(64)), ''),
    told: /^damage blob-digest "sha256:ffff/m,
  },
  {
    what: 'a snapshot has no directory',
    damage: () => rmSync(join(snapshots(), '1'), { recursive: true }),
    told: /^damage snapshot-directory-missing "base"/m,
    left: /^damage snapshot-parent-missing "long": its parent base is gone/m,
  },
  {
    what: 'a directory is of no snapshot',
    damage: () => mkdirSync(join(snapshots(), '99')),
    told: /^note snapshot-without-record "overlayfs\/99"/m,
    left: /^note snapshot-without-record/m,
  },
  {
    what: 'a bundle cannot be read',
    damage: () => writeFileSync(join(world.state, 'tasks/test/long/task.json'), '{'),
    told: /^damage bundle-unreadable/m,
    left: /^damage bundle-unreadable/m,
  },
]

for (const { what, damage, told, left = /^$/ } of DAMAGES)
  test(`${what}: it is told, and mended where that can be`, async () => {
    const record = join(world.state, 'tasks/test/long/task.json')
    const task = readFileSync(record)
    await damaged(damage, async () => {
      const found = await fsck()
      assert.match(found.stdout, told)
      assert.equal(found.code, /^damage/m.test(found.stdout) ? 1 : 0)
      const mended = await fsck('--repair')
      const again = await fsck()
      assert.match(again.stdout, left)
      assert.equal(again.code, mended.code)
      writeFileSync(record, task)
      await world.start()
    })
  })

/** Ways to lose a database. */
const LOSSES: { what: string; lose: () => void; isSalvaged: boolean }[] = [
  { what: 'missing', lose: () => rmSync(database()), isSalvaged: false },
  { what: 'empty garbage', lose: () => writeFileSync(database(), Buffer.alloc(20_000, 'x')), isSalvaged: false },
  { what: 'cut', lose: () => truncateSync(database(), 4096 + 100), isSalvaged: false },
  { what: 'without its newest root', lose: () => zero(0), isSalvaged: true },
  { what: 'with a page of noughts', lose: () => zero(rootPage()), isSalvaged: true },
  { what: 'with a page of garbage', lose: () => zero(rootPage(), 'garbage'), isSalvaged: true },
]

function zero(page: number, filling = '\0'): void {
  const bytes = readFileSync(database())
  bytes.fill(filling, page * 4096, (page + 1) * 4096)
  writeFileSync(database(), bytes)
}

/** Of the newer one of both roots. */
function rootPage(): number {
  const bytes = readFileSync(database())
  const newer = bytes.readBigUInt64LE(24 + 128) > bytes.readBigUInt64LE(4096 + 24 + 128) ? 0 : 4096
  return Number(bytes.readBigUInt64LE(newer + 24 + 112))
}

for (const { what, lose, isSalvaged } of LOSSES)
  test(`a database that is ${what}: the daemon serves, the task runs on, the snapshots and blobs are there`, async () => {
    await damaged(lose, async () => {
      assert.match((await fsck()).stdout, /^damage database-(damaged|missing)/m)
      await world.start()
      assert.match(world.log(), /built again from what is on disk/)
      const kept = readdirSync(world.root).filter((name) => name.startsWith('meta.db.damaged-'))
      assert.equal(kept.length, what === 'missing' ? 0 : 1)
      assert.equal(await world.exec('after'), 0)
      await world.client.snapshots.stat({ key: 'base' })
      const { info } = await world.client.snapshots.stat({ key: 'long' })
      assert.equal(info?.parent, 'base')
      await world.client.content.info({ digest: world.layer.digest })
      await world.collect()
      await world.client.content.info({ digest: world.layer.digest })
      await world.client.snapshots.stat({ key: 'base' })
      const { images } = await world.client.images.list({})
      if (isSalvaged && what !== 'without its newest root')
        assert.deepEqual(
          images.map(({ name }) => name),
          ['image'],
        )
      else assert.match(images[0]!.name, /^image$|^recovered@sha256:/)
      const { container } = await world.client.containers.get({ id: 'long' })
      assert.equal(container?.snapshotKey, 'long')
      await world.stop('SIGTERM')
      assert.equal((await fsck()).code, 0)
      await world.start()
    })
  })

test('fsck --repair builds the database again, too, and says what is lost', async () => {
  await damaged(
    () => rmSync(database()),
    async () => {
      const { code, stdout, stderr } = await fsck('--repair')
      assert.match(stdout, /^damage database-missing .*\[mended\]/m)
      assert.match(stderr, /the name of an image is lost/)
      assert.equal(code, 0)
      await world.start()
    },
  )
})

test('a crash in the middle of a rebuild is made up for at the next start', async () => {
  await damaged(
    () => {
      renameSync(database(), join(world.root, 'meta.db.rebuilt'))
      writeFileSync(join(world.root, 'meta.db.unfinished'), 'half')
    },
    async () => {
      await world.start()
      await world.assertSound()
    },
  )
})

test('a journal with garbage at its end, or in its middle, costs no more than what follows', async () => {
  await world.client.namespaces.create({ namespace: { name: 'journaled' } })
  await world.stop('SIGKILL')
  const journal = readdirSync(world.root).find((name) => name.startsWith('journal.'))
  assert.ok(journal !== undefined)
  appendFileSync(join(world.root, journal), 'torn')
  assert.match((await fsck()).stdout, /^note journal-torn/m)
  await world.start()
  await world.assertSound()
  await world.client.namespaces.get({ name: 'journaled' })
  await world.client.namespaces.delete({ name: 'journaled' })
})
