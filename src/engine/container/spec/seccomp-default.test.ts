// Our profile beside the one that a real dockerd made, call by call, through the compiled filters.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { runFilter } from '../../../linux/seccomp/bpf-interpreter.ts'
import { compileSeccomp } from '../../../linux/seccomp/compile-seccomp.ts'
import { type SyscallAbi, syscallNumbers, X32_BIT } from '../../../linux/seccomp/syscall-numbers.ts'
import type { SeccompSpec } from '../../../oci/runtime-spec.ts'
import { defaultProfile } from './seccomp-default.ts'
import { filterProfile } from './seccomp-profile.ts'

type Golden = Record<'default' | 'sys-admin', { capabilities: string[]; seccomp: SeccompSpec }>

const golden = JSON.parse(readFileSync(findGolden('test/golden/seccomp/default.json'), 'utf8')) as Golden
/** Wherever the build's output stands below the repository. */
function findGolden(path: string, from = new URL('.', import.meta.url)): URL {
  const candidate = new URL(path, from)
  return existsSync(candidate) || from.pathname === '/' ? candidate : findGolden(path, new URL('..', from))
}

const AUDIT = { x86_64: 0xc000003e, x32: 0xc000003e, i386: 0x40000003 } as const
const ALLOW = 0x7fff0000
const EPERM = 0x00050001
const ENOSYS = 0x00050026
const ARGUMENTS = [0n, 8n, 38n, 39n, 40n, 0x20000n, 0x20008n, 0x20000000n, 0xffffffffn]

/** Since 20.10 Docker has let these in, or taken them out (process_madvise needs a capability now). */
const NEWLY_ALLOWED = new Set(
  `process_vm_readv process_vm_writev cachestat fchmodat2 futex_requeue futex_wait futex_wake getxattrat listmount listxattrat map_shadow_stack memfd_secret mseal
  name_to_handle_at pkey_alloc pkey_free pkey_mprotect process_mrelease removexattrat sched_rr_get_interval_time64 setxattrat statmount
  uretprobe set_mempolicy_home_node lsm_get_self_attr lsm_list_modules lsm_set_self_attr fsconfig fsmount fsopen fspick quotactl_fd
  move_mount open_tree mount_setattr futex_waitv landlock_add_rule landlock_create_ruleset landlock_restrict_self`.split(
    /\s+/,
  ),
)
const NEWLY_DENIED = new Set(['io_uring_setup', 'io_uring_enter', 'io_uring_register'])

for (const name of ['default', 'sys-admin'] as const)
  for (const abi of ['x86_64', 'i386', 'x32'] as const)
    test(`${name}: every call of ${abi} is answered as dockerd's profile does, but for what Docker has changed since`, () => {
      const { capabilities, seccomp } = golden[name]
      const facts = { arch: 'x86_64', kernel: { major: 6, minor: 18 }, capabilities } as const
      const ours = compileSeccomp(filterProfile(defaultProfile(), facts), facts)
      const theirs = compileSeccomp(seccomp, facts)
      const differences = differingCalls(abi, ours, theirs)
      const unexpected = differences.filter(
        ([call, our]) =>
          !(our === ALLOW && NEWLY_ALLOWED.has(call)) &&
          !(our !== ALLOW && NEWLY_DENIED.has(call)) &&
          // Their filter knows fewer numbers, so ENOSYS starts earlier there.
          !(our === EPERM && differences.some(([, , their]) => their === ENOSYS) && isNewer(abi, call)) &&
          !(call === 'socket' && our === EPERM),
      )
      assert.deepEqual(unexpected, [])
    })

function differingCalls(
  abi: SyscallAbi & keyof typeof AUDIT,
  ours: Uint8Array,
  theirs: Uint8Array,
): [string, number, number][] {
  const found: [string, number, number][] = []
  for (const [call, number] of syscallNumbers(abi))
    for (const argument of ARGUMENTS) {
      const data = { nr: number + (abi === 'x32' ? X32_BIT : 0), arch: AUDIT[abi], args: [argument] }
      const answers = [ours, theirs].map((program) => runFilter(program, data).value)
      if (answers[0] !== answers[1]) found.push([call, answers[0] ?? 0, answers[1] ?? 0])
    }
  return found
}

function isNewer(abi: SyscallAbi, call: string): boolean {
  return (syscallNumbers(abi).get(call) ?? 0) > 446
}

test('AF_ALG and AF_VSOCK stay shut, also with bits that the kernel cuts off', () => {
  const facts = {
    arch: 'x86_64',
    kernel: { major: 6, minor: 18 },
    capabilities: golden['sys-admin'].capabilities,
  } as const
  const program = compileSeccomp(filterProfile(defaultProfile(), facts), facts)
  const ask = (family: bigint): number => runFilter(program, { nr: 41, arch: AUDIT.x86_64, args: [family] }).value
  for (const family of [1n, 2n, 10n, 16n, 17n, 37n, 39n, 41n, 45n]) assert.equal(ask(family), ALLOW, `${family}`)
  for (const family of [38n, 40n, (1n << 32n) + 38n, (1n << 32n) + 40n]) assert.equal(ask(family), EPERM, `${family}`)
})

test('the compiled default profile is small, and quick to make', () => {
  const facts = { arch: 'x86_64', kernel: { major: 6, minor: 18 }, capabilities: golden.default.capabilities } as const
  const program = compileSeccomp(filterProfile(defaultProfile(), facts), facts)
  assert.ok(program.length / 8 < 1000, `${program.length / 8} instructions`)
  assert.ok(runFilter(program, { nr: 0, arch: AUDIT.x86_64 }).steps < 16)
})
