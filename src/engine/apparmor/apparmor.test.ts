import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import test from 'node:test'
import { chooseProfile, isEnabled, isLoaded } from './choose-profile.ts'
import { allBut, DENIED_FILES, defaultProfile, type ProfileFacts } from './default-profile.ts'
import { ownProfile } from './load-profile.ts'

const FACTS: ProfileFacts = {
  name: 'docker-default',
  daemonProfile: 'unconfined',
  hasTunables: false,
  hasAbstractions: false,
}

test('isEnabled: the module says so, its files can be read, and nobody contains us', () => {
  const all = { enabled: 'Y\n', profiles: '', container: undefined }
  assert.equal(isEnabled(all), true)
  for (const missing of [{ enabled: 'N\n' }, { enabled: undefined }, { profiles: undefined }, { container: 'lxc' }])
    assert.equal(isEnabled({ ...all, ...missing }), false, JSON.stringify(missing))
})

test('isLoaded: by its whole name', () => {
  const profiles = '/usr/bin/man (enforce)\ndocker-default (enforce)\nmore (complain)\n'
  assert.deepEqual(
    ['docker-default', 'more', 'docker', 'default', '/usr/bin/man'].map((name) => isLoaded({ profiles }, name)),
    [true, true, false, false, true],
  )
  assert.equal(isLoaded({ profiles: undefined }, 'more'), false)
})

test("chooseProfile: Docker's order of precedence", () => {
  const cases = [
    // the kernel has it, privileged, requested
    [false, false, undefined, ''],
    [false, false, 'own', ''],
    [false, true, undefined, ''],
    [true, false, undefined, 'docker-default'],
    [true, false, '', 'docker-default'],
    [true, false, 'own', 'own'],
    [true, false, 'unconfined', 'unconfined'],
    [true, true, undefined, 'unconfined'],
    [true, true, 'own', 'unconfined'],
  ] as const
  for (const [hasAppArmor, isPrivileged, requested, profile] of cases)
    assert.equal(chooseProfile(hasAppArmor, isPrivileged, requested), profile)
})

test('ownProfile: the label without its mode', () => {
  assert.deepEqual(
    ['unconfined\n', 'dockerd (enforce)\n', '/usr/bin/berthd (complain)', '', undefined].map(ownProfile),
    [...['unconfined', 'dockerd', '/usr/bin/berthd', 'unconfined', 'unconfined']],
  )
})

/** The subset of apparmor.d(5) that the profile uses: a set of characters, a star within a name, two across names. */
function matcher(pattern: string): RegExp {
  const source = pattern
    .replace('@{PROC}', '/proc')
    .replace(/\*\*|\*|\./g, (word) => ({ '**': '.*', '*': '[^/]*', '.': '\\.' })[word] ?? word)
  return new RegExp(`^${source}$`)
}

const mayAccess = (path: string, access: string) =>
  !DENIED_FILES.some(
    ({ paths, access: denied }) => denied.includes(access) && paths.some((one) => matcher(one).test(path)),
  )

test('what of /proc and /sys a container may write, and what not', () => {
  const allowed = [
    ...[
      '/proc/1/oom_score_adj',
      '/proc/42/task/43/comm',
      '/proc/sys/kernel/shmmax',
      '/proc/sys/kernel/shm_rmid_forced',
    ],
    ...['/sys/fs/cgroup/memory/a/b', '/sys/fs/cgroup/x', '/etc/passwd', '/processes', '/system/x', '/dev/null'],
  ]
  const denied = [
    ...['/proc/sysrq-trigger', '/proc/kcore', '/proc/latency_stats', '/proc/irq/1/smp_affinity', '/proc/scsi/scsi'],
    ...[
      '/proc/sys/kernel/core_pattern',
      '/proc/sys/kernel/sysrq',
      '/proc/sys/net/ipv4/ip_forward',
      '/proc/sys/vm/swappiness',
    ],
    ...['/proc/sys/fs/binfmt_misc/register', '/proc/fs/x', '/proc/bus/pci/00', '/proc/acpi/x', '/proc/sysvipc/shm'],
    ...['/sys/kernel/debug/x', '/sys/fs/fuse/x', '/sys/fs/bpf/x', '/sys/firmware/x', '/sys/class/net/eth0/mtu'],
    ...['/sys/devices/x', '/sys/kernel/security/apparmor/.load'],
  ]
  assert.deepEqual(
    allowed.filter((path) => !mayAccess(path, 'w')),
    [],
  )
  assert.deepEqual(
    denied.filter((path) => mayAccess(path, 'w')),
    [],
  )
})

test('what may not even be read', () => {
  const secret = ['/proc/kcore', '/proc/sysrq-trigger', '/sys/firmware/acpi/x', '/sys/kernel/security/x']
  assert.deepEqual(
    secret.filter((path) => mayAccess(path, 'r')),
    [],
  )
  const plain = [
    '/proc/cpuinfo',
    '/sys/devices/system/cpu/online',
    '/sys/class/net/eth0/mtu',
    '/proc/sys/kernel/osrelease',
  ]
  assert.deepEqual(
    plain.filter((path) => !mayAccess(path, 'r')),
    [],
  )
})

test('allBut: each letter of what is kept may be the first that differs', () => {
  assert.deepEqual(allBut('/a/', 'b/c'), ['/a/[^b]**', '/a/b[^/]**', '/a/b/[^c]**'])
})

test('the profile says what it stands on', () => {
  const text = defaultProfile({ ...FACTS, daemonProfile: 'berthd', hasTunables: true, hasAbstractions: true })
  assert.match(text, /^#include <tunables\/global>$/m)
  assert.match(text, /^ {2}#include <abstractions\/base>$/m)
  assert.match(text, /^ {2}signal \(receive\) peer="berthd",$/m)
  assert.match(text, /^ {2}deny mount,$/m)
  const bare = defaultProfile(FACTS)
  assert.match(bare, /^@\{PROC\}=\/proc\/$/m)
  assert.doesNotMatch(bare, /include/)
  assert.equal(bare.match(/peer=unconfined/g)?.length, 1)
  assert.throws(() => defaultProfile({ ...FACTS, daemonProfile: 'x, capability' }), /not the name/)
})

const parser = ['/sbin/apparmor_parser', '/usr/sbin/apparmor_parser'].find((path) => existsSync(path))

test("AppArmor's own compiler takes it", { skip: parser === undefined && 'apparmor_parser is not installed' }, () => {
  const whole = existsSync('/etc/apparmor.d/tunables/global') && existsSync('/etc/apparmor.d/abstractions/base')
  const variants: Partial<ProfileFacts>[] = [
    ...[{}, { daemonProfile: '/usr/bin/berthd' }, { daemonProfile: 'a//b' }],
    ...(whole ? [{ hasTunables: true, hasAbstractions: true }, { hasTunables: true }] : []),
  ]
  for (const variant of variants) {
    const input = defaultProfile({ ...FACTS, ...variant })
    const { status, stderr } = spawnSync(parser ?? '', ['-QKS'], { input, encoding: 'latin1', maxBuffer: 16 << 20 })
    assert.equal(status, 0, stderr)
  }
  const { status } = spawnSync(parser ?? '', ['-QKS'], {
    input: defaultProfile(FACTS).replace('deny mount,', 'deny mont,'),
  })
  assert.notEqual(status, 0)
})
