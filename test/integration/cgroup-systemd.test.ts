// Groups that systemd holds, with a real systemd: as the init of its own namespaces it has v2 (without controllers) or v1, a bus or none,
// and a user's manager. The tests inside are this file again.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Cgroup } from '../../src/linux/cgroup/cgroup.ts'
import { type CgroupRequest, openCgroup, reopenCgroup } from '../../src/linux/cgroup/open-cgroups.ts'
import { Systemd } from '../../src/linux/cgroup/systemd/systemd-client.ts'
import { planUnitProperties } from '../../src/linux/cgroup/systemd/unit-properties.ts'
import { startIn, startOutside, until, writeInto } from '../harness/cgroups.ts'
import { startSystemd, USER, whyNoSystemd } from '../harness/systemd.ts'

const INSIDE = process.env['BERTH_TEST_SYSTEMD']
const FILE = fileURLToPath(import.meta.url)
const ID = `t${process.pid}`

if (INSIDE === undefined) testOutside()
else if (INSIDE === 'user') testUser()
else testSystem(INSIDE === '1' ? 1 : 2)

function testOutside(): void {
  const skip = whyNoSystemd()
  const modes = [
    { version: 2, withBus: true },
    { version: 2, withBus: false },
    { version: 1, withBus: true },
  ] as const
  for (const mode of modes)
    test(`the same holds with v${mode.version} ${mode.withBus ? 'over a bus' : "over systemd's own socket"}`, {
      skip,
    }, async () => {
      await using systemd = await startSystemd(mode)
      const { status, stdout, stderr } = systemd.run([process.execPath, FILE], {
        BERTH_TEST_SYSTEMD: String(mode.version),
      })
      assert.equal(status, 0, stdout + stderr + systemd.log())
      assert.match(stdout, /^# pass [1-9]/m)
    })

  test("the same holds for a user's own systemd", { skip }, async () => {
    await using systemd = await startSystemd({ version: 2, withBus: true })
    const started = systemd.run(['systemctl', 'start', 'user.service'])
    assert.equal(started.status, 0, started.stderr)
    const user = ['setpriv', '--reuid', String(USER), '--regid', String(USER), '--clear-groups']
    const env = { BERTH_TEST_SYSTEMD: 'user', XDG_RUNTIME_DIR: `/run/user/${USER}` }
    const { status, stdout, stderr } = systemd.run([...user, process.execPath, FILE], env)
    assert.equal(status, 0, stdout + stderr + systemd.log())
    assert.match(stdout, /^# pass [1-9]/m)
  })

  test('without systemd, or where it does not answer, an error says so', () => {
    const ask = (setup: string, request: Partial<CgroupRequest>) => {
      const module = new URL('../../src/linux/cgroup/open-cgroups.js', import.meta.url).href
      const all = { cgroupsPath: '', id: ID, systemd: true, rootless: false, ...request }
      const script = `
        const { openCgroup } = await import(${JSON.stringify(module)})
        try { await (await openCgroup(${JSON.stringify(all)})).create({}); console.log('made') } catch (error) { console.log(error.message) }`
      const shell = `mount -t tmpfs none /run && ${setup} && exec "$0" --input-type=module -e "$1"`
      const child = spawnSync('unshare', ['--mount', 'sh', '-c', shell, process.execPath, script], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'] },
      })
      assert.equal(child.status, 0, child.stderr)
      return child.stdout.trim()
    }
    const booted = 'mkdir -p /run/systemd/system'
    assert.equal(ask('true', {}), 'systemd not running on this host, cannot use systemd cgroups manager')
    assert.match(ask(booted, {}), /^D-Bus: error while dialing "unix:path=\/run\/dbus\/system_bus_socket": .*ENOENT/)
    assert.match(
      ask(booted, { cgroupsPath: '/a/b' }),
      /^expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "\/a\/b" instead$/,
    )
    assert.match(ask(booted, { cgroupsPath: 'a.slice:b:../c' }), /is not a valid unit name$/)
    assert.match(ask(booted, { cgroupsPath: 'a--b.slice:b:c' }), /^invalid slice name: a--b\.slice$/)
    const rootless = ask(booted, { rootless: true })
    assert.match(
      rootless,
      existsSync('/sys/fs/cgroup/cgroup.controllers')
        ? /^could not detect DBUS_SESSION/
        : /^cannot use rootless systemd cgroups manager on cgroup v1$/,
    )
  })
}

/** What systemd says of a unit; lists are a line an item. */
function show(unit: string, ...properties: string[]): Record<string, string> {
  const args = ['show', unit, ...properties.flatMap((name) => ['-p', name])]
  const shown: Record<string, string> = {}
  for (const line of spawnSync('systemctl', args, { encoding: 'utf8' }).stdout.trim().split('\n')) {
    const [name = '', value] = [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]
    shown[name] = shown[name] === undefined ? value : [...shown[name].split(', '), value].sort().join(', ')
  }
  return shown
}

const loadState = (unit: string) => show(unit, 'LoadState', 'ActiveState')

async function newGroup(t: TestContext, request: Partial<CgroupRequest>): Promise<Cgroup> {
  const group = await openCgroup({ cgroupsPath: undefined, id: ID, systemd: true, rootless: false, ...request })
  t.after(async () => {
    group.killAll()
    await group.remove()
  })
  return group
}

function unitOf(group: Cgroup): string {
  return group.describe().systemd?.unit ?? 'none'
}

/** In the hierarchies that are seen here; in the others a process is in `/..` and above. */
function groupsOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')
  return lines.map((line) => line.split(':').slice(2).join(':')).filter((path) => !path.startsWith('/..'))
}

function testSystem(version: 1 | 2): void {
  test('a scope is made, entered, held open until then, and gone with its last process', async (t) => {
    const group = await newGroup(t, { cgroupsPath: `system-berth.slice:berth:${ID}` })
    assert.equal(group.version, version)
    assert.equal(group.path, `/system.slice/system-berth.slice/berth-${ID}.scope`)
    assert.equal(unitOf(group), `berth-${ID}.scope`)
    await group.create({})
    assert.ok(group.exists())
    assert.deepEqual(group.pids(), []) // who holds it is nobody's business
    const unit = show(
      unitOf(group),
      'Slice',
      'Delegate',
      'Description',
      'ActiveState',
      'ControlGroup',
      'TasksAccounting',
    )
    assert.deepEqual(unit, {
      Slice: 'system-berth.slice',
      Delegate: 'yes',
      Description: `libcontainer container ${ID}`,
      ActiveState: 'active',
      ControlGroup: group.path,
      TasksAccounting: 'yes',
    })
    const child = await startIn(group, 'exec sleep 1000')
    group.settle()
    await until(() => reopenCgroup(group.describe()).pids().join() === String(child.pid), 'the holder to go')
    for (const path of groupsOf(child.pid!)) assert.equal(path, group.path)
    assert.equal(show(unitOf(group), 'ActiveState')['ActiveState'], 'active')
    await group.freeze()
    assert.ok(group.isFrozen())
    group.killAll()
    await once(child, 'exit')
    await until(() => loadState(unitOf(group))['LoadState'] === 'not-found', 'the scope to go')
    await group.remove()
    assert.ok(!group.exists())
  })

  test('limits are properties of the unit, and stay so in an update by another process', async (t) => {
    const group = await newGroup(t, {
      annotations: {
        'org.systemd.property.TimeoutStopUSec': 'uint64 7000000',
        'org.systemd.property.CollectMode': "'inactive-or-failed'",
      },
    })
    assert.equal(unitOf(group), `runc-${ID}.scope`)
    const device = { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' } as const
    const all = { allow: false, type: 'a', major: undefined, minor: undefined, access: 'rwm' } as const
    const devices = [all, device]
    await group.create(
      version === 1
        ? { devices, memoryBytesMax: 64 << 20, cpuQuotaUs: 12_345, pidsMax: 9, cpuShares: 512, cpusetCpus: '0' }
        : { devices },
    )
    await startIn(group, 'exec sleep 1000')
    group.settle()
    const unit = unitOf(group)
    const { DeviceAllow, DevicePolicy, TimeoutStopUSec, CollectMode } = show(
      unit,
      'DeviceAllow',
      'DevicePolicy',
      'TimeoutStopUSec',
      'CollectMode',
    )
    assert.deepEqual(
      { DeviceAllow, DevicePolicy, TimeoutStopUSec, CollectMode },
      {
        DeviceAllow: '/dev/char/1:3 rwm',
        DevicePolicy: 'strict',
        TimeoutStopUSec: '7s',
        CollectMode: 'inactive-or-failed',
      },
    )
    const again = reopenCgroup(JSON.parse(JSON.stringify(group.describe())))
    await again.update({ devices: [...devices, { ...device, minor: 5 }] })
    assert.equal(show(unit, 'DeviceAllow')['DeviceAllow'], '/dev/char/1:3 rwm, /dev/char/1:5 rwm')
    if (version === 2) return
    assert.deepEqual(show(unit, 'MemoryLimit', 'CPUQuotaPerSecUSec', 'TasksMax', 'CPUShares', 'AllowedCPUs'), {
      MemoryLimit: String(64 << 20),
      CPUQuotaPerSecUSec: '130ms',
      TasksMax: '9',
      CPUShares: '512',
      AllowedCPUs: '0',
    })
    const file = (controller: string, name: string) =>
      readFileSync(`${group.describe().paths[controller]}/${name}`, 'utf8').trim()
    assert.equal(file('cpu', 'cpu.cfs_quota_us'), '13000') // both say the same
    assert.equal(file('memory', 'memory.limit_in_bytes'), String(64 << 20))
    await again.update({ memoryBytesMax: 128 << 20, pidsMax: -1 })
    assert.deepEqual(show(unit, 'MemoryLimit', 'TasksMax', 'CPUQuotaPerSecUSec'), {
      MemoryLimit: String(128 << 20),
      TasksMax: 'infinity',
      CPUQuotaPerSecUSec: '130ms',
    })
    assert.equal(file('memory', 'memory.limit_in_bytes'), String(128 << 20))
    assert.ok(!again.isFrozen())
  })

  test('systemd understands every property that a limit can become', async (t) => {
    using systemd = await Systemd.open(false)
    const unit = `berth-properties-${ID}.scope`
    const holder = spawn('sleep', ['1000'])
    t.after(() => holder.kill('SIGKILL'))
    await once(holder, 'spawn')
    await systemd.startTransientUnit(unit, [{ name: 'PIDs', signature: 'au', value: [holder.pid ?? -1] }])
    const host = { cgroupVersion: version, systemdVersion: await systemd.version(), memoryBytesMax: undefined }
    assert.ok(host.systemdVersion >= 242, String(host.systemdVersion))
    const { properties } = planUnitProperties(
      {
        memoryBytesMax: 64 << 20,
        memorySwapBytesMax: 96 << 20,
        memoryReservationBytes: 32 << 20,
        cpuShares: 1024,
        cpuQuotaUs: 50_000,
        cpuPeriodUs: 20_000,
        cpusetCpus: '0-2,9',
        cpusetMems: '0',
        pidsMax: 50,
        blockIoWeight: 500,
        devices: [
          { allow: false, type: 'a', major: undefined, minor: undefined, access: 'rwm' },
          { allow: true, type: 'c', major: 136, minor: undefined, access: 'rw' },
          { allow: true, type: 'b', major: undefined, minor: undefined, access: 'm' },
        ],
        ...(version === 2 ? { unified: { 'memory.high': '50000000', 'memory.min': '4096' } } : {}),
      },
      host,
    )
    await systemd.setUnitProperties(unit, properties)
    const common = {
      TasksMax: '50',
      CPUQuotaPerSecUSec: '2.500000s',
      CPUQuotaPeriodUSec: '20ms',
      AllowedCPUs: '0-2 9',
      AllowedMemoryNodes: '0',
      DevicePolicy: 'strict',
      DeviceAllow: 'block-* m, char-136 rw',
    }
    const own =
      version === 1
        ? { MemoryLimit: String(64 << 20), CPUShares: '1024', BlockIOWeight: '500' }
        : {
            MemoryMax: String(64 << 20),
            MemorySwapMax: String(32 << 20),
            MemoryLow: String(32 << 20),
            MemoryHigh: '49999872', // a page's multiple, or the number itself
            MemoryMin: '4096',
            CPUWeight: '100',
            IOWeight: '4950',
          }
    const shown = show(unit, ...Object.keys({ ...common, ...own }))
    if ('MemoryHigh' in own && shown['MemoryHigh'] === '50000000') own.MemoryHigh = '50000000'
    assert.deepEqual(shown, { ...shown, ...common, ...own })
    await assert.rejects(systemd.setUnitProperties(unit, [{ name: 'NoSuchThing', signature: 's', value: '' }]), {
      message: /NoSuchThing/,
    })
    await systemd.stopUnit(unit)
    assert.equal(loadState(unit)['LoadState'], 'not-found')
    await systemd.stopUnit(unit) // once more is no error
  })

  test('a name that is taken is refused, unless what has it has failed', async (t) => {
    const group = await newGroup(t, { cgroupsPath: `:berth-taken:${ID}` })
    const unit = unitOf(group)
    const failing = spawn('systemd-run', ['--scope', `--unit=${unit}`, '-p', 'RuntimeMaxSec=100ms', 'sleep', '1000'], {
      stdio: 'ignore',
    })
    t.after(() => failing.kill('SIGKILL'))
    await until(() => loadState(unit)['ActiveState'] === 'active', 'the other scope')
    await assert.rejects(group.create({}), { message: new RegExp(`^unable to start unit "${unit}": Unit ${unit} `) })
    await until(() => loadState(unit)['ActiveState'] === 'failed', 'its failure')
    await group.create({})
    assert.equal(loadState(unit)['ActiveState'], 'active')
  })

  test('a slice may be the group, and holds no process', async (t) => {
    const group = await newGroup(t, { cgroupsPath: `system.slice::system-b${ID}.slice` })
    await group.create({})
    assert.equal(loadState(unitOf(group))['ActiveState'], 'active')
    assert.ok(group.exists())
    await group.remove()
    assert.ok(!group.exists())
    assert.notEqual(loadState(unitOf(group))['ActiveState'], 'active')
  })

  test('a further process goes to a group below', async (t) => {
    const group = await newGroup(t, { cgroupsPath: `:berth-sub:${ID}` })
    await group.create({})
    const first = await startIn(group, 'exec sleep 1000')
    group.settle()
    const child = await startOutside('exec sleep 1000')
    writeInto(group.execEntry({ initPid: first.pid! }), child.pid!)
    for (const path of groupsOf(child.pid!)) assert.equal(path, group.path)
    assert.throws(() => group.execEntry({ initPid: first.pid!, subgroups: { '': '../x' } }), {
      message: /^bad sub cgroup path/,
    })
  })

  test('whoever is killed before a process is in leaves no scope', async () => {
    const module = new URL('../../src/linux/cgroup/open-cgroups.js', import.meta.url).href
    const script = `
      const { openCgroup } = await import(${JSON.stringify(module)})
      const group = await openCgroup({ cgroupsPath: ':berth-killed:${ID}', id: 'x', systemd: true, rootless: false })
      await group.create({})
      console.log(JSON.stringify(group.describe()))
      process.kill(process.pid, 'SIGKILL')`
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    assert.equal(child.signal, 'SIGKILL', child.stderr)
    await until(() => loadState(`berth-killed-${ID}.scope`)['LoadState'] === 'not-found', 'the scope to go')
    const group = reopenCgroup(JSON.parse(child.stdout))
    await group.remove()
    assert.ok(!group.exists())
  })

  test('a limit that cannot be set undoes the unit', async (t) => {
    const group = await newGroup(t, { cgroupsPath: `:berth-undone:${ID}` })
    const wrong = version === 1 ? { cpusetMems: '900' } : { memorySwappiness: 5 }
    await assert.rejects(group.create(wrong))
    await until(() => loadState(unitOf(group))['LoadState'] === 'not-found', 'the scope to go')
    assert.ok(!group.exists())
  })
}

function testUser(): void {
  test("a user's scope is below his manager, and his systemd moves processes in", async (t) => {
    const group = await newGroup(t, { rootless: true, cgroupsPath: `user.slice:berth:${ID}` })
    assert.equal(group.path, `/user.slice/user.service/user.slice/berth-${ID}.scope`)
    await group.create({})
    assert.ok(group.exists())
    assert.deepEqual(group.entry(), { steps: [], directory: undefined, hierarchies: [], byAdd: true })
    const child = await startOutside('exec sleep 1000')
    await group.add(child.pid!)
    assert.deepEqual(
      groupsOf(child.pid!).filter((each) => each.endsWith('.scope')),
      [group.path],
    )
    await until(() => reopenCgroup(group.describe()).pids().join() === String(child.pid), 'the holder to go')
    assert.deepEqual(group.describe().systemd, { unit: `berth-${ID}.scope`, isUser: true })
    await group.freeze()
    assert.ok(reopenCgroup(group.describe()).isFrozen())
    group.killAll()
    await once(child, 'exit')
    await group.remove()
    assert.ok(!group.exists())
  })
}
