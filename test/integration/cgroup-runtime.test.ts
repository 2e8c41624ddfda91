// What a runtime that is started anew for each command wants of control groups, on the real kernel: v1, and v2 without controllers.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Cgroup } from '../../src/linux/cgroup/cgroup.ts'
import { openCgroup, openCgroups, reopenCgroup } from '../../src/linux/cgroup/open-cgroups.ts'
import { requireUnusedCgroup } from '../../src/linux/cgroup/require-unused.ts'
import { IN_V2, outputOf, runAgainInV2, startIn, startOutside, until, writeInto } from '../harness/cgroups.ts'

const host = openCgroups()
const NAME = `berth-test-h4-${process.pid}${IN_V2 ? '-v2' : ''}`
const DEFAULTS = { systemd: false, rootless: false } as const

async function newGroup(t: TestContext, cgroupsPath: string | undefined, id = 'c1'): Promise<Cgroup> {
  const group = await openCgroup({ ...DEFAULTS, cgroupsPath, id })
  t.after(async () => {
    group.killAll()
    await group.remove()
    if (cgroupsPath?.startsWith(`/${NAME}/`)) await host.open(`/${NAME}`).remove()
  })
  return group
}

/** Directories of a group's record. */
const placesOf = (group: Cgroup) => Object.values(group.describe().paths)

/** Where a process is, by what its record of groups says; the keys are those of /proc/<pid>/cgroup. */
function groupsOf(pid: number | string, thread = pid): string[] {
  const lines = readFileSync(`/proc/${pid}/task/${thread}/cgroup`, 'utf8').trim().split('\n')
  return lines.flatMap((line) => (IN_V2 && !line.startsWith('0::') ? [] : [line.split(':').slice(2).join(':')]))
}

if (IN_V2) {
  test('the unified hierarchy alone is v2', () => assert.equal(host.version, 2))
} else {
  test('the same holds for v2', (t) => runAgainInV2(t, import.meta.url))
}

test('an absolute path is taken from the root, whatever it says of going up', async (t) => {
  const group = await newGroup(t, `/${NAME}/../../${NAME}/abs`)
  assert.equal(group.path, `/${NAME}/abs`)
  assert.ok(!group.exists())
  await group.create({})
  assert.ok(group.exists())
  for (const place of placesOf(group)) {
    assert.ok(place.startsWith('/sys/fs/cgroup/') && place.endsWith(`/${NAME}/abs`), place)
    assert.ok(existsSync(place), place)
  }
})

test('an empty path is the id, a relative one is relative to the own group, and neither leaves it', async (t) => {
  const own = new Map(
    readFileSync('/proc/self/cgroup', 'utf8')
      .split('\n')
      .map((line) => {
        const [, keys = '', path = ''] = line.split(':')
        return [keys, path] as const
      }),
  )
  for (const [cgroupsPath, below] of [
    [undefined, `${NAME}-id`],
    ['', `${NAME}-id`],
    [`${NAME}-id/../../${NAME}-id/deep`, `${NAME}-id/deep`],
  ] as const) {
    const group = await newGroup(t, cgroupsPath, `${NAME}-id`)
    t.after(() =>
      group.remove().then(() => Promise.all(placesOf(group).map((place) => reopen(dirname(place)).remove()))),
    )
    await group.create({})
    for (const [key, place] of Object.entries(group.describe().paths)) {
      const ownPath = own.get(key) ?? '/'
      const start = IN_V2 ? dirname(ownPath) : ownPath
      assert.ok(place.endsWith(join(start, below)), `${key}: ${place}`)
      assert.ok(existsSync(place), place)
    }
    await group.remove()
  }
})

/** For cleaning up below the test's own names only. */
function reopen(directory: string): { remove(): Promise<void> } {
  if (!directory.endsWith(`${NAME}-id`)) return { remove: async () => {} }
  return reopenCgroup({ version: 2, path: '/x', paths: { '': directory }, rootless: false })
}

test('a record brings the group back, for who was not there when it was made', async (t) => {
  const group = await newGroup(t, `/${NAME}/record`)
  await group.create({})
  const child = await startIn(group, 'while :; do sleep 1; done')
  const again = reopenCgroup(JSON.parse(JSON.stringify(group.describe())))
  assert.deepEqual(again.describe(), group.describe())
  assert.equal(again.path, group.path)
  await until(() => again.pids().includes(child.pid!))
  await again.freeze()
  assert.ok(group.isFrozen())
  await again.thaw()
  await again.update({})
  again.killAll()
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL')
  await again.remove()
  assert.ok(!group.exists())
  for (const place of placesOf(group)) assert.ok(!existsSync(place), place)
})

test('another process is moved in with all its threads', async (t) => {
  const group = await newGroup(t, `/${NAME}/add`)
  await group.create({})
  const child = spawn(process.execPath, ['-e', 'console.log("up"); setInterval(() => {}, 1000)'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await group.add(child.pid!)
  const threads = readdirSync(`/proc/${child.pid}/task`)
  assert.ok(threads.length > 1)
  for (const thread of threads)
    for (const path of groupsOf(child.pid!, Number(thread))) assert.equal(path, `/${NAME}/add`)
  assert.deepEqual(group.pids(), [child.pid])
  await assert.rejects(group.add(2 ** 22 + 1), { message: /^error adding pid 4194305 to cgroups: .*no such process$/ })
})

test('a further process goes to a group below, if that is there, and never above', async (t) => {
  const group = await newGroup(t, `/${NAME}/sub`)
  await group.create({})
  for (const place of placesOf(group)) mkdirSync(join(place, 'below'))
  if (!IN_V2) await host.open(`${group.path}/below`).create({}) // with processors
  const first = await startIn(group, 'while :; do sleep 1; done')
  const request = { initPid: first.pid! }
  const child = await startOutside('sleep 1000')
  t.after(() => child.kill('SIGKILL'))
  writeInto(group.execEntry({ ...request, subgroups: { '': 'below' } }), child.pid!)
  for (const path of groupsOf(child.pid!)) assert.equal(path, `${group.path}/below`)
  await group.add(child.pid!)
  for (const path of groupsOf(child.pid!)) assert.equal(path, group.path)
  await group.add(child.pid!, { '': '/below/' })
  for (const path of groupsOf(child.pid!)) assert.equal(path, `${group.path}/below`)
  writeInto(group.execEntry(request), child.pid!)
  for (const path of groupsOf(child.pid!)) assert.equal(path, group.path)

  const refused: [Record<string, string>, RegExp][] = [
    [{ '': '..' }, /^bad sub cgroup path: \.\.$/],
    [{ '': '/../sub2' }, /^bad sub cgroup path: /],
    [{ '': 'nope' }, /adding pid .*: open .*\/nope: no such file or directory$/],
    [{ nope: 'below' }, /^unknown controller nope in SubCgroupPaths$/],
  ]
  for (const [subgroups, message] of refused)
    assert.throws(() => group.execEntry({ ...request, subgroups }), { message }, JSON.stringify(subgroups))
})

test('where v2 has passed its controllers on, a further process goes where the first one is', async (t) => {
  if (!IN_V2 || host.controllers.size === 0) return t.skip('no controller to pass on')
  const group = await newGroup(t, `/${NAME}/nested`)
  await group.create({})
  const first = await startIn(group, 'exec sleep 1000')
  const leaf = await newGroup(t, `/${NAME}/nested/leaf`)
  await leaf.create({}) // as an init does that sorts its own processes: into a group below, and then the controllers down
  await leaf.add(first.pid!)
  await host.open(`/${NAME}/nested/other`).create({})
  const child = await startOutside('sleep 1000')
  t.after(() => child.kill('SIGKILL'))
  await assert.rejects(group.add(child.pid!), {
    message: /^error adding pid \d+ to cgroups: .*device or resource busy$/,
  })
  writeInto(group.execEntry({ initPid: first.pid! }), child.pid!)
  assert.deepEqual(groupsOf(child.pid!), [`/${NAME}/nested/leaf`])
})

test('a group with processes, or a frozen one, is none to make a container in', async (t) => {
  const group = await newGroup(t, `/${NAME}/used`)
  requireUnusedCgroup(group) // it is not there
  await group.create({})
  requireUnusedCgroup(group)
  await group.freeze()
  assert.throws(() => requireUnusedCgroup(group), { message: "container's cgroup unexpectedly frozen" })
  await group.thaw()
  await startIn(group, 'sleep 1000')
  assert.throws(() => requireUnusedCgroup(group), {
    code: 'failed-precondition',
    message: /^container's cgroup is not empty: [12] process\(es\) found$/,
  })
})

test('new device rules take effect without a moment in which what stays allowed is denied', async (t) => {
  const group = await newGroup(t, `/${NAME}/devices`)
  const rules = (minor: number) => [
    { allow: false, type: 'a', major: undefined, minor: undefined, access: 'rwm' } as const,
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' } as const,
    { allow: true, type: 'c', major: 1, minor, access: 'r' } as const,
  ]
  await group.create({ devices: rules(5) })
  const child = await startIn(
    group,
    'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); true </dev/null || echo denied; done; echo end',
  )
  let running = true
  child.once('close', () => {
    running = false
  })
  const output = outputOf(child)
  let updates = 0
  while (running) {
    await group.update({ devices: rules(updates++ % 2 === 0 ? 7 : 5) })
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(await output, 'end')
  assert.ok(updates > 10, `${updates} updates`)
  await group.update({ devices: rules(7) })
  const probe = 'for d in null zero full; do true </dev/$d && echo $d; done 2>/dev/null; true'
  assert.equal(await outputOf(await startIn(group, probe)), 'null\nfull')
})

test('a user without rights does without a group, unless it is named or limits are wanted', () => {
  const run = (cgroupsPath: string, limits: object) => {
    const script = `
      const { openCgroup } = await import(${JSON.stringify(new URL('../../src/linux/cgroup/open-cgroups.js', import.meta.url).href)})
      const request = { id: ${JSON.stringify(`${NAME}-user`)}, cgroupsPath: ${JSON.stringify(cgroupsPath)}, systemd: false, rootless: true }
      const group = await openCgroup(request)
      try {
        await group.create(${JSON.stringify(limits)})
        const { directory, steps } = group.entry()
        const pids = group.pids().length
        group.killAll()
        await group.remove()
        console.log(JSON.stringify([group.describe().paths, directory ?? null, steps.length, pids, group.exists(), group.isFrozen()]))
      } catch (error) { console.log(error.message) }`
    const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath]
    const child = spawnSync('setpriv', [...user, '--input-type=module', '-e', script], { encoding: 'utf8' })
    assert.equal(child.status, 0, child.stderr)
    return child.stdout.trim()
  }
  assert.equal(run('', {}), '[{},null,0,0,false,false]')
  assert.match(run(`/${NAME}/named`, {}), /^mkdir .*: permission denied$/)
  assert.match(
    run('', { memoryBytesMax: 1 << 26 }),
    IN_V2
      ? /^rootless needs no limits \+ no cgrouppath when no permission is granted for cgroups: mkdir .*: permission denied$/
      : /^cannot set memory limit: container could not join or create cgroup/,
  )
})
