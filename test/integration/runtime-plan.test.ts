// A real container made from a spec as dockerd writes it, seen from inside.
import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { openCgroups } from '../../src/linux/cgroup/open-cgroups.ts'
import { MNT_DETACH, MS_SHARED } from '../../src/linux/constants.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import type { ProcessSpec, RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { explainStepFailure } from '../../src/runtime/explain-step-failure.ts'
import { gatherHostFacts } from '../../src/runtime/gather-host-facts.ts'
import { parseRuntimeSpec } from '../../src/runtime/parse-runtime-spec.ts'
import { planCgroupLimits } from '../../src/runtime/plan-cgroup-limits.ts'
import { planContainer } from '../../src/runtime/plan-container.ts'
import { planExec } from '../../src/runtime/plan-exec.ts'
import type { DescribedPlan } from '../../src/runtime/plan-types.ts'
import { readRootfsFacts } from '../../src/runtime/read-rootfs-facts.ts'
import { INIT_PROCESS, type Shim, type ShimSettings, StepFailure } from '../../src/shim/shim.ts'
import { spawnShimWith } from '../../src/shim/spawn-shim.ts'
import { makeBusyboxTree } from '../harness/images.ts'
import { BIN, ROOT } from '../harness/root.ts'

const SHIM = process.env['BERTH_SHIM'] ?? join(BIN, 'berth-shim')
const DOCKER_SPEC = readFileSync(join(ROOT, 'test/golden/runtime/docker-config.json'), 'utf8')

const kernel = openNativeKernel()
const cgroups = openCgroups(kernel)
const host = gatherHostFacts()
let scratch = ''
let image = ''
let count = 0

before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'runtime-plan-'))
  image = join(scratch, 'image')
  await makeBusyboxTree(image)
  mkdirSync(join(scratch, 'data/below'), { recursive: true })
  writeFileSync(join(scratch, 'data/file'), 'from the host\n')
})

after(async () => {
  rmSync(scratch, { recursive: true, force: true })
  await cgroups.open(`/berth-plan-${process.pid}`).remove()
})

interface Container {
  shim: Shim
  spec: RuntimeSpec
  described: DescribedPlan
  log: string
  exited: Promise<number>
}

/** The spec of the golden test with the host's paths put right. */
function dockerSpec(edit: (spec: RuntimeSpec) => void, args: string[]): RuntimeSpec {
  const spec = parseRuntimeSpec(DOCKER_SPEC)
  const files = new Set(['/etc/resolv.conf', '/etc/hostname', '/etc/hosts'])
  for (const mount of spec.mounts!) {
    if (files.has(mount.destination)) mount.source = join(scratch, 'data/file')
    if (mount.destination === '/data') mount.source = join(scratch, 'data')
  }
  spec.process!.args = args
  spec.linux!.cgroupsPath = `/berth-plan-${process.pid}/${count}`
  edit(spec)
  return spec
}

/** Up to `created`, and everything is gone when the test is over. */
async function create(
  t: TestContext,
  args: string[],
  edit: (spec: RuntimeSpec) => void = () => {},
): Promise<Container> {
  const bundle = join(scratch, `bundle-${++count}`)
  mkdirSync(join(bundle, 'rootfs'), { recursive: true })
  const [upper, work] = [join(bundle, 'upper'), join(bundle, 'work')]
  mkdirSync(upper)
  mkdirSync(work)
  const spec = dockerSpec(edit, args)
  const group = cgroups.open(spec.linux!.cgroupsPath!)
  let shim: Shim | undefined
  t.after(async () => {
    await shim?.shutdown()
    await group.remove()
  })
  group.create(planCgroupLimits(spec.linux?.resources))
  const options = [
    ['lowerdir', image],
    ['upperdir', upper],
    ['workdir', work],
  ] as const
  const rootfs = kernel.mountDetached({ fstype: 'overlay', source: 'overlay', options, attributes: 0 })
  try {
    const described = planContainer({
      id: `plan-${count}`,
      spec,
      host,
      rootfs: readRootfsFacts(kernel, rootfs, spec),
      rootfsDirectory: join(bundle, 'rootfs'),
      cgroup: group.entry(),
      stdin: false,
    })
    const log = join(bundle, 'log')
    shim = await spawnShimWith(SHIM)(settingsOf(bundle, log), described.plan, rootfs).catch((error: unknown) => {
      throw error instanceof StepFailure ? explainStepFailure(described, error) : error
    })
    const started = shim
    const exited = new Promise<number>((resolve) => {
      started.onExit(({ process: name, exit }) => {
        if (name === INIT_PROCESS) resolve(exit.code)
      })
    })
    return { shim: started, spec, described, log, exited }
  } finally {
    closeSync(rootfs)
  }
}

function settingsOf(bundle: string, log: string): ShimSettings {
  return {
    bundle,
    label: `test/plan-${count}`,
    streamSocketPath: undefined,
    log: { driver: 'json-file', path: log, maxSizeBytes: 0, maxFiles: 1 },
    stdinOnce: false,
    spillMaxBytes: 1 << 20,
    stallSeconds: 5,
    lingerSeconds: 5,
  }
}

function outputOf(log: string): string {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : []
  return lines.map((line) => (JSON.parse(line) as { log: string }).log).join('')
}

/** Runs a shell script as the container's only process and returns what it printed. */
async function run(t: TestContext, script: string, edit?: (spec: RuntimeSpec) => void): Promise<string> {
  const container = await create(t, ['sh', '-c', `exec 2>&1; ${script}`], edit)
  await container.shim.start(INIT_PROCESS)
  assert.equal(await container.exited, 0, outputOf(container.log))
  return outputOf(container.log)
}

test('identity: capabilities, filter, no new privileges, groups, umask, environment, host name', async (t) => {
  const text = await run(t, 'cat /proc/self/status; umask; env; hostname; pwd; cat /proc/self/oom_score_adj')
  for (const line of ['CapInh:\t0000000000000000', 'CapPrm:\t00000000a80425fb', 'CapEff:\t00000000a80425fb'])
    assert.ok(text.includes(line), line)
  for (const line of ['CapBnd:\t00000000a80425fb', 'CapAmb:\t0000000000000000', 'Seccomp:\t2', 'NoNewPrivs:\t0'])
    assert.ok(text.includes(line), line)
  assert.match(text, /^Groups:\t0 $/m)
  assert.match(text, /^0022$/m)
  assert.match(text, /^HOME=\/root$/m)
  assert.match(text, /^web$/m)
})

test('nobody else is seen: processes, host name, interfaces, mounts of the host', async (t) => {
  const text = await run(
    t,
    'ls -d /proc/[0-9]*; cat /proc/net/dev | tail -n +3 | cut -d: -f1; cut -d" " -f5 /proc/self/mountinfo',
  )
  const processes = text.split('\n').filter((line) => /^\/proc\/\d+$/.test(line))
  assert.ok(processes.length <= 2, text) // the shell and ls
  assert.ok(processes.includes('/proc/1'))
  assert.deepEqual(
    text
      .split('\n')
      .filter((line) => /^ *\w+ *$/.test(line))
      .map((line) => line.trim()),
    ['lo'],
  )
  assert.ok(!text.includes(scratch))
})

test('mounts are what the spec says', async (t) => {
  const text = await run(
    t,
    'cat /proc/self/mountinfo; cat /data/file /etc/hosts; touch /data/x || echo read-only; stat -c "%a %F" /dev/shm /run /tmp',
  )
  const mounts = new Map(
    text
      .split('\n')
      .filter((line) => line.includes(' - '))
      .map((line) => [line.split(' ')[4], line]),
  )
  const expect = (path: string, pattern: RegExp) => assert.match(mounts.get(path) ?? `no ${path}`, pattern)
  expect('/', / \/ rw,relatime - overlay /)
  expect('/proc', / rw,nosuid,nodev,noexec,relatime - proc /)
  expect('/dev', / rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755/)
  expect('/dev/pts', / rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666/)
  expect('/dev/shm', / rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k/)
  expect('/dev/mqueue', / - mqueue /)
  expect('/sys', / ro,nosuid,nodev,noexec,relatime - sysfs /)
  expect('/data', / ro,relatime(?! shared| master) /)
  expect('/run', / rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=1024k/)
  expect('/proc/sys', / ro,nosuid,nodev,noexec,relatime - proc /)
  expect('/sys/firmware', / ro,.* - tmpfs /)
  assert.equal(text.match(/from the host/g)?.length, 2)
  assert.ok(text.includes('read-only'))
  assert.match(text, /^1777 directory\n(?:755|1777) directory\n1777 directory$/m)
  assert.ok(![...mounts.values()].some((line) => line.includes('shared:')))
})

test('devices, links and masks', async (t) => {
  const text = await run(
    t,
    [
      'for d in null zero full random urandom tty; do stat -c "%n %t:%T %a" /dev/$d; done',
      'for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done',
      'cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware /proc/acpi 2>/dev/null | grep -v : | wc -w',
      'head -c4 /dev/zero | wc -c; echo x > /dev/full || echo full',
      'mknod /dev/vda b 254 0 && head -c1 /dev/vda || echo denied',
      'echo 1 > /proc/sys/vm/drop_caches || echo guarded',
    ].join('\n'),
  )
  for (const line of [
    '/dev/null 1:3 666',
    '/dev/zero 1:5 666',
    '/dev/tty 5:0 666',
    'fd /proc/self/fd',
    'ptmx pts/ptmx',
  ])
    assert.ok(text.includes(line), `${line} in ${text}`)
  assert.match(text, /^0\n0\n4$/m)
  for (const line of ['full', 'denied', 'guarded']) assert.match(text, new RegExp(`^${line}$`, 'm'))
})

test('control groups: the own ones are seen, read-only, and the limits hold', async (t) => {
  if (cgroups.version === 2) return t.skip('written for v1')
  const text = await run(
    t,
    'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max; mkdir /sys/fs/cgroup/memory/x || echo sealed; cat /proc/self/cgroup',
  )
  assert.match(text, /^67108864\n50\n/)
  assert.match(text, /^sealed$/m)
  for (const line of text.split('\n').filter((part) => /^\d+:/.test(part)))
    assert.ok(line.endsWith(`/berth-plan-${process.pid}/${count}`), line)
})

test('a user, its groups, limits, sysctls, a working directory that is made', async (t) => {
  const text = await run(
    t,
    'id; ulimit -Sn; ulimit -Hn; pwd; env | grep HOME; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; grep CapEff /proc/self/status',
    (spec) => {
      Object.assign(spec.process!, {
        user: { uid: 1000, gid: 1000, additionalGids: [29] },
        rlimits: [{ type: 'RLIMIT_NOFILE', soft: 12, hard: 20 }],
        cwd: '/made/for/me',
      })
    },
  )
  assert.match(text, /^uid=1000\(user\) gid=1000\(user\) groups=(1000\(user\),)?29\(audio\)/)
  assert.match(text, /^12\n20\n\/made\/for\/me\nHOME=\/home\/user\n0\nCapEff:\t0{16}$/m)
})

test('no_new_privs and a read-only root', async (t) => {
  const text = await run(
    t,
    'grep -E "NoNewPrivs|Seccomp:" /proc/self/status; touch /x || echo sealed; touch /dev/shm/x && echo open',
    (spec) => {
      Object.assign(spec.process!, { noNewPrivileges: true })
      spec.root!.readonly = true
    },
  )
  assert.match(text, /NoNewPrivs:\t1\nSeccomp:\t2\n/)
  assert.match(text, /^sealed$/m)
  assert.match(text, /^open$/m)
})

test('bind mounts share, follow or ignore what is mounted below their source', async (t) => {
  const source = join(scratch, 'shared')
  mkdirSync(source)
  kernel.mount('tmpfs', source, 'tmpfs', 0)
  t.after(() => kernel.umount(source, MNT_DETACH))
  kernel.mount(undefined, source, undefined, MS_SHARED)
  const mountLine = async (destination: string, propagation: string) => {
    const text = await run(t, 'cat /proc/self/mountinfo', (spec) => {
      spec.mounts!.push({ destination, type: 'bind', source, options: ['rbind', propagation] })
      if (propagation === 'rshared') spec.linux!.rootfsPropagation = 'shared' // as dockerd does
    })
    return text.split('\n').find((line) => line.split(' ')[4] === destination) ?? 'no mount'
  }
  assert.match(await mountLine('/a', 'rshared'), / shared:\d+ - tmpfs/)
  assert.match(await mountLine('/b', 'rslave'), / master:\d+ - tmpfs/)
  assert.match(await mountLine('/c', 'rprivate'), / rw,relatime - tmpfs/)
})

test('failures are told in the words of runc', async (t) => {
  const fails = (args: string[], message: RegExp, edit?: (spec: RuntimeSpec) => void) =>
    assert.rejects(create(t, args, edit), (error: Error) => {
      assert.match(error.message, message)
      return true
    })
  await fails(['nope'], /^exec: "nope": executable file not found in \$PATH$/)
  await fails(['/nope'], /^exec: "\/nope": stat \/nope: no such file or directory$/)
  await fails(['/etc/passwd'], /^exec: "\/etc\/passwd": permission denied$/)
  await fails(
    ['true'],
    /^error mounting "\/not\/there" to rootfs at "\/x": stat \/not\/there: no such file or directory$/,
    (spec) => {
      spec.mounts!.push({ destination: '/x', type: 'bind', source: '/not/there', options: ['rbind'] })
    },
  )
  await fails(['true'], /^process.rlimits\[0\]: the soft limit 2000 is above the hard limit 1000$/, (spec) =>
    Object.assign(spec.process!, { rlimits: [{ type: 'RLIMIT_NOFILE', soft: 2000, hard: 1000 }] }),
  )
})

test('an image whose /proc is a symlink is refused', async (t) => {
  const proper = image
  t.after(() => {
    image = proper
  })
  image = join(scratch, 'evil')
  await makeBusyboxTree(image)
  rmSync(join(image, 'proc'), { recursive: true })
  symlinkSync('/tmp', join(image, 'proc'))
  await assert.rejects(create(t, ['true']), {
    message: /filesystem "proc" must be mounted on ordinary directory: not a directory/,
  })
})

test('an image that plants symlinks where mounts go keeps them to itself', async (t) => {
  const proper = image
  t.after(() => {
    image = proper
  })
  image = join(scratch, 'links')
  await makeBusyboxTree(image)
  symlinkSync(join(scratch, 'data/below'), join(image, 'run'))
  symlinkSync('../../../../../../..', join(image, 'data'))
  rmSync(join(image, 'etc/passwd'))
  symlinkSync('/proc/self/root/etc/passwd', join(image, 'etc/passwd'))
  await create(t, ['true']).catch(() => {}) // whether it runs is the image's own problem
  assert.deepEqual(readFileSync(join(scratch, 'data/file'), 'utf8'), 'from the host\n')
  assert.ok(!existsSync(join(scratch, 'data/below/x')))
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(scratch))
})

test('an exec is in the same container with the same bounds', async (t) => {
  const { shim, spec } = await create(t, ['sleep', '100'])
  await shim.start(INIT_PROCESS)
  const exec = async (name: string, process: Partial<ProcessSpec>) => {
    const script = 'exec > /tmp/out 2>&1; cat /proc/self/status; hostname; pwd; env; ls /; cat /proc/self/cgroup'
    const plan = planExec({
      spec,
      process: { ...spec.process!, args: ['sh', '-c', script], ...process },
      host,
      rootfs: { passwd: 'user:x:1000:1000::/home/user:\n', group: undefined },
      cgroup: cgroups.open(spec.linux!.cgroupsPath!).entry(),
      stdin: false,
    })
    const done = new Promise<number>((resolve) => {
      shim.onExit((state) => state.process === name && resolve(state.exit.code))
    })
    try {
      await shim.add(name, plan.plan)
      await shim.start(name)
    } catch (error) {
      throw error instanceof StepFailure ? explainStepFailure(plan, error) : error
    }
    return await done
  }
  assert.equal(await exec('one', { cwd: '/tmp', user: { uid: 1000, gid: 1000 } }), 0)
  const pid = shim.processes.get(INIT_PROCESS)!.pid
  const text = readFileSync(`/proc/${pid}/root/tmp/out`, 'utf8')
  assert.match(text, /CapBnd:\t00000000a80425fb/)
  assert.match(text, /CapEff:\t0{16}/)
  assert.match(text, /Seccomp:\t2/)
  assert.match(text, /^web\n\/tmp\n/m)
  assert.match(text, /^HOME=\/home\/user$/m)
  assert.ok(text.includes(`/berth-plan-${process.pid}/`))
  assert.equal(await exec('two', { args: ['sh', '-c', 'exit 7'] }), 7)
  await assert.rejects(exec('three', { args: ['nope'] }), {
    message: 'exec: "nope": executable file not found in $PATH',
  })
  await assert.rejects(exec('four', { cwd: '/not/there' }), {
    message: /^chdir to cwd \("\/not\/there"\) set in config.json failed: no such file/,
  })
  assert.equal(
    await exec('five', {
      terminal: true,
      args: ['sh', '-c', 'tty > /tmp/out; stty size >> /tmp/out'],
      consoleSize: { height: 9, width: 8 },
    }),
    0,
  )
  assert.equal(readFileSync(`/proc/${pid}/root/tmp/out`, 'utf8'), '/dev/pts/0\n9 8\n')
})

test('a terminal is the controlling one, and /dev/console is it', async (t) => {
  const text = await run(
    t,
    'tty; test -c /dev/console && echo console; stat -c %t:%T /dev/console $(tty) | uniq | wc -l; stty size; test -t 0 && echo terminal',
    (spec) => {
      Object.assign(spec.process!, { terminal: true, consoleSize: { height: 33, width: 77 } })
    },
  )
  assert.match(text, /^\/dev\/pts\/0\r\nconsole\r\n1\r\n33 77\r\nterminal\r\n$/)
})

test('nothing is left of all of them', () => {
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(scratch))
})
