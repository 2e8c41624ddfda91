// What a configuration or a program in a container tries against the kernel's settings, its control groups and its oldest doors. Each
// test names the line that stops it: without that line the test fails.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { defaultProfile } from '../../src/engine/container/spec/seccomp-default.ts'
import { filterProfile } from '../../src/engine/container/spec/seccomp-profile.ts'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { buildAttacker } from '../harness/attacker.ts'
import { openTrial, type Trial } from '../harness/hostile-bundle.ts'

let trial: Trial
let attacker: string

before(async () => {
  trial = await openTrial('kernel')
  attacker = await buildAttacker(trial.directory)
})

after(() => trial[Symbol.asyncDispose]())

function withAttacker(spec: RuntimeSpec): void {
  spec.mounts?.push({ destination: '/attacker', type: 'bind', source: attacker, options: ['bind', 'ro'] })
}

// CVE-2021-43784. Stopped by the bounds in src/shim/encode-plan.ts and step-body.ts: a count of 16 bits would start again at 0, and what
// stands behind it would be taken for steps.
test('what is too long for the wire is refused, never cut', async () => {
  const many = Array.from({ length: 70_000 }, () => 'size=1k')
  const cases: [string, (spec: RuntimeSpec) => void][] = [
    ['mount options', (spec) => spec.mounts?.push({ destination: '/m', type: 'tmpfs', source: 't', options: many })],
    [
      'additional groups',
      (spec) => Object.assign(spec.process?.user ?? {}, { additionalGids: many.map((_, index) => index) }),
    ],
    ['the environment', (spec) => spec.process?.env?.push(`LONG=${'x'.repeat(9 << 20)}`)],
    ['arguments', (spec) => spec.process?.args?.push('x'.repeat(9 << 20))],
    ['a PATH of many entries', (spec) => spec.process?.env?.splice(0, 1, `PATH=${'/x:'.repeat(70_000)}`)],
  ]
  for (const [what, edit] of cases) {
    const result = await trial.run({ args: ['sh', '-c', 'readlink /proc/self/ns/net'], spec: edit })
    assert.notEqual(result.code, 0, what)
    assert.equal(result.stdout, '', what)
    assert.match(result.stderr, /level=error msg=/, what)
  }
})

// CVE-2022-0811. Stopped by checkSysctl, sysctlPath and checkValue in plan-sysctls.ts.
test('a sysctl carries no other one, and none of the host', async () => {
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
  const cases: [string, string][] = [
    ['kernel.core_pattern', '|/bin/true'],
    ['kernel.shm_rmid_forced', '1\nkernel.core_pattern=|/bin/true'],
    ['kernel.shm_rmid_forced', '1+kernel.core_pattern=|/bin/true'],
    ['net/../kernel/core_pattern', '|/bin/true'],
    ['net.ipv4/../../kernel/core_pattern', '|/bin/true'],
    ['net.ipv4.conf.../../../kernel.core_pattern', '|/bin/true'],
    ['fs.mqueue.../../kernel.core_pattern', '|/bin/true'],
    ['kernel.msgmax\0', '1'],
    ['vm.overcommit_memory', '1'],
  ]
  for (const [key, value] of cases) {
    const result = await trial.run({
      args: ['echo', 'started'],
      spec: (spec) => {
        if (spec.linux !== undefined) spec.linux.sysctl = { [key]: value }
      },
    })
    assert.notEqual(result.code, 0, key)
    assert.equal(result.stdout, '', key)
    assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern, key)
  }
})

// CVE-2022-0492, and 2023-25809 without a user namespace. Stopped by plan-cgroup-mount.ts, which mounts the container's own groups alone,
// read-only to the last one, and by the capability that mounting wants.
test('no control group can be written to from inside, and none mounted', async () => {
  const script = `
    for file in /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/*/notify_on_release /sys/fs/cgroup/cgroup.procs; do
      [ -e "$file" ] || continue
      echo "seen $file"
      (echo 1 >"$file") 2>/dev/null && echo "written $file"
      mkdir "\${file%/*}/new" 2>/dev/null && echo "made in $file"
    done
    mkdir /m
    for type in cgroup cgroup2; do mount -t $type none /m 2>/dev/null && echo "mounted $type"; done
    true`
  const result = await trial.run({ args: ['sh', '-c', script] })
  assert.match(result.stdout, /^seen /m)
  assert.doesNotMatch(result.stdout, /written|made in|mounted/)
})

// CVE-2023-25809. Stopped by MOUNT_ATTR_RDONLY over the whole tree of a read-only cgroup mount (plan-cgroup-mount.ts), in a user namespace too.
test('the control groups of a container with a user namespace are read-only', async () => {
  const result = await trial.run({
    script: 'chown -R 100000:100000 .',
    args: [
      'sh',
      '-c',
      'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/new 2>/dev/null && echo "made in $d"; done; grep -c cgroup /proc/mounts',
    ],
    spec: (spec) => {
      spec.linux?.namespaces?.push({ type: 'user' })
      if (spec.linux === undefined) return
      spec.linux.uidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }]
      spec.linux.gidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }]
    },
  })
  assert.doesNotMatch(result.stdout, /made in/)
  assert.match(result.stdout, /^\d+$/m, result.stderr)
})

// CVE-2026-31431. Stopped by the profile's rules for socket(2), which compile-seccomp.ts compiles: by the call's number, in all ABIs.
test('the default profile keeps AF_ALG and AF_VSOCK away', async () => {
  const facts = {
    arch: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
    kernel: { major: 6, minor: 1 },
    capabilities: [],
  } as const
  const socket = async (family: number, withProfile: boolean): Promise<string> => {
    const result = await trial.run({
      args: ['/attacker', 'socket', String(family), '5'],
      spec: (spec) => {
        withAttacker(spec)
        if (spec.linux !== undefined && withProfile) spec.linux.seccomp = filterProfile(defaultProfile(), facts)
      },
    })
    return result.stdout.trim()
  }
  assert.equal(await socket(1, true), 'ok')
  for (const family of [38, 40]) assert.equal(await socket(family, true), 'Operation not permitted')
  assert.notEqual(
    await socket(38, false),
    'Operation not permitted',
    'without the profile it is not the filter that answers',
  )
})
