// What a filter costs each system call, ours beside libseccomp's: instructions by number, and nanoseconds of a real call.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultProfile } from '../src/engine/container/spec/seccomp-default.ts'
import { filterProfile } from '../src/engine/container/spec/seccomp-profile.ts'
import { runFilter } from '../src/linux/seccomp/bpf-interpreter.ts'
import { compileSeccomp } from '../src/linux/seccomp/compile-seccomp.ts'
import { syscallNumbers } from '../src/linux/seccomp/syscall-numbers.ts'
import type { SeccompSpec } from '../src/oci/runtime-spec.ts'
import { must } from '../test/harness/command.ts'
import { buildLibseccomp, compileAll, listed } from '../test/harness/libseccomp.ts'
import { ROOT } from '../test/harness/root.ts'

const AUDIT_X86_64 = 0xc000_003e
const FACTS = {
  arch: 'x86_64',
  kernel: { major: 6, minor: 1 },
  capabilities: ['CAP_CHOWN', 'CAP_NET_RAW', 'CAP_SYS_CHROOT'],
} as const

/** Lines of a table in Markdown. */
export async function measureSeccomp(): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-bench-'))
  try {
    return await measureIn(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function measureIn(directory: string): Promise<string[]> {
  const libseccomp = await buildLibseccomp(directory)
  const cost = join(directory, 'seccomp-cost')
  await must(['cc', '-O1', '-o', cost, join(ROOT, 'bench/seccomp-cost.c')])
  const lines = [
    '| filter | instructions | run per call: median, most | ns per getppid over none | ratio |',
    '|---|---|---|---|---|',
  ]
  for (const [title, spec] of profiles()) {
    const [theirs] = await compileAll(libseccomp, [spec], () => listed(spec, 'x86_64'))
    if (!(theirs instanceof Uint8Array)) throw new Error(`libseccomp refuses the section: errno ${theirs}`)
    const ours = compileSeccomp(spec, FACTS)
    const files = { ours: join(directory, 'ours'), theirs: join(directory, 'theirs') }
    await writeFile(files.ours, ours)
    await writeFile(files.theirs, theirs)
    const times = await alternate(cost, files)
    const ratio = (times.ours - times.none) / (times.theirs - times.none)
    lines.push(row(`${title}, libseccomp`, theirs, times.theirs - times.none, 1))
    lines.push(row(`${title}, ours`, ours, times.ours - times.none, ratio))
  }
  return lines
}

function profiles(): [title: string, spec: SeccompSpec][] {
  const usual = filterProfile(defaultProfile(), FACTS)
  const hidden: SeccompSpec = {
    ...usual,
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls: (usual.syscalls ?? []).map((rule) => ({
      ...rule,
      args: [...(rule.args ?? []), { index: 5, value: 1, op: 'SCMP_CMP_NE' }],
    })),
  }
  return [
    ["Docker's default", usual],
    ['a condition on every call', hidden],
  ]
}

/** The least of several medians, run by run in turn: what else the machine does only adds. */
async function alternate(
  cost: string,
  files: { ours: string; theirs: string },
): Promise<{ none: number; ours: number; theirs: number }> {
  const least = { none: Infinity, ours: Infinity, theirs: Infinity }
  for (let round = 0; round < 7; round++) {
    least.none = Math.min(least.none, Number(await must([cost])))
    least.ours = Math.min(least.ours, Number(await must([cost, files.ours])))
    least.theirs = Math.min(least.theirs, Number(await must([cost, files.theirs])))
  }
  return least
}

function row(title: string, program: Uint8Array, nanoseconds: number, ratio: number): string {
  const steps = [...syscallNumbers('x86_64').values()]
    .map((nr) => runFilter(program, { nr, arch: AUDIT_X86_64, args: [] }).steps)
    .sort((a, b) => a - b)
  const [median, most] = [steps[steps.length >> 1], steps.at(-1)]
  return `| ${title} | ${program.length / 8} | ${median}, ${most} | ${nanoseconds.toFixed(1)} | ${ratio.toFixed(2)} |`
}
