// Our filters beside libseccomp's, over every system call of every architecture: what runc's container is told, ours is told.
//
// Differences that are meant, each left out of the comparison where it would show:
// * -1 and what lies beyond 2^31 are no calls; where no x32 is wanted we kill all of them but -1.
// * Without a list of architectures runc 1.1 puts no ENOSYS before the default answer; later ones and we do, for the machine's own.
// * A section that names `socket` of i386 knows number 359, too; runc counts only calls that have a single door (and so answers
//   ENOSYS to a socket(2) that was allowed).
// * ipc(2) takes the upper half of its first argument for a version. We look at the lower half, libseccomp at all of it.
// * libseccomp refuses (EEXIST) rules that contradict each other behind socketcall(2) or ipc(2); ours go by the first.
// * Where several conditional rules of one call overlap, libseccomp's answer depends on the shape of its tree, and is wrong for
//   some (`arg > 2^31` or `arg < 2^32`, asked for 2^32, is neither). Ours is that of the first rule that holds: src/linux/seccomp/definition.test.ts.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { defaultProfile } from '../../src/engine/container/spec/seccomp-default.ts'
import { filterProfile, parseProfile, type SeccompProfile } from '../../src/engine/container/spec/seccomp-profile.ts'
import { runFilter } from '../../src/linux/seccomp/bpf-interpreter.ts'
import { compileSeccomp } from '../../src/linux/seccomp/compile-seccomp.ts'
import { syscallNumbers, X32_BIT } from '../../src/linux/seccomp/syscall-numbers.ts'
import type { SeccompRule, SeccompSpec } from '../../src/oci/runtime-spec.ts'
import {
  ABI,
  ARCHES,
  AUDIT,
  type Arch,
  buildLibseccomp,
  compileAll,
  hasStub,
  listed,
  type NumberTable,
  numbersOf,
} from '../harness/libseccomp.ts'
import { type ProfileShape, randomProfile, seeded, tellingValues, X86_LISTS } from '../harness/seccomp-profiles.ts'

type Native = 'x86_64' | 'aarch64'

const EEXIST = 17
const ENOSYS = 0x0005_0026
const HIGHEST = 560 // one past what any table knows
const [SOCKETCALL, IPC] = [102, 117] // of i386
const seed = Number(process.env['SECCOMP_SEED'] ?? Date.now() % 1_000_000)

let directory = ''
let libseccomp = ''
let table: NumberTable = new Map()
let known: string[] = []

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-seccomp-'))
  libseccomp = await buildLibseccomp(directory)
  const names = [...new Set(ARCHES.flatMap((arch) => [...syscallNumbers(ABI[arch]).keys()]))]
  table = await numbersOf(libseccomp, names)
  // Debian's libseccomp lags behind kernels. And nobody may be told of a write: the listener's number comes by one.
  known = names.filter((name) => table.get('x86_64')?.get(name) !== -1 && name !== 'write')
})

after(() => rm(directory, { recursive: true, force: true }))

test('numbers are the same for every name that libseccomp knows', () => {
  const wrong: string[] = []
  for (const arch of ARCHES)
    for (const name of known) {
      const theirs = table.get(arch)?.get(name) ?? -1
      const ours = syscallNumbers(ABI[arch]).get(name)
      if (hasTwoDoors(arch, name)) continue
      const same =
        theirs < 0 ? ours === undefined : ours !== undefined && ours + (arch === 'x32' ? X32_BIT : 0) === theirs
      if (!same) wrong.push(`${arch} ${name}: ${ours} ${theirs}`)
    }
  assert.deepEqual(wrong, [])
})

test("Docker's, podman's and our own default sections", async (t) => {
  const capabilities = ['CAP_CHOWN', 'CAP_NET_RAW', 'CAP_SYS_CHROOT']
  const profiles: SeccompProfile[] = [defaultProfile()]
  for (const file of ['/usr/share/containers/seccomp.json', '/etc/containers/seccomp.json'])
    if (existsSync(file)) profiles.push(parseProfile(await readFile(file, 'utf8')))
  for (const native of ['x86_64', 'aarch64'] as const) {
    const facts = { arch: native, kernel: { major: 6, minor: 1 } }
    const specs = profiles.flatMap((profile) =>
      [capabilities, [...capabilities, 'CAP_SYS_ADMIN', 'CAP_BPF', 'CAP_SYS_TIME']].map((caps) =>
        filterProfile(profile, { ...facts, capabilities: caps }),
      ),
    )
    await compareAll(t, specs.map(withoutNewCalls), native)
  }
  const golden: unknown = JSON.parse(await readFile(new URL('seccomp/default.json', goldenFolder()), 'utf8'))
  assert.ok(typeof golden === 'object' && golden !== null && 'default' in golden)
  const made: unknown = golden.default
  assert.ok(typeof made === 'object' && made !== null && 'seccomp' in made)
  const specs = filterProfile(parseProfile(JSON.stringify(made.seccomp)), {
    arch: 'x86_64',
    kernel: { major: 6, minor: 1 },
    capabilities,
  })
  await compareAll(t, [withoutNewCalls(specs)], 'x86_64')
})

const SHAPES: Record<string, Omit<ProfileShape, 'architectures'>> = {
  'no conditions': { conditions: 0, plain: false },
  'a condition a rule': { conditions: 1, plain: true },
  'several conditions a rule': { conditions: 4, plain: true },
}

for (const [title, shape] of Object.entries(SHAPES))
  for (const native of ['x86_64', 'aarch64'] as const)
    test(`random sections: ${title} on ${native}`, async (t) => {
      const random = seeded(seed)
      const busy = ['read', 'ioctl', 'socket', 'semop', 'clone', 'futex', 'openat', 'personality', 'accept4', 'shmat']
      const architectures = native === 'x86_64' ? X86_LISTS : [[], ['SCMP_ARCH_AARCH64']]
      const specs = Array.from({ length: 40 }, (_, index) =>
        randomProfile(random, index % 2 === 0 ? known : busy, { ...shape, architectures }),
      )
      await compareAll(t, specs, native)
    })

interface Difference {
  spec: SeccompSpec
  arch: Arch
  nr: number
  args: bigint[]
  ours: number
  theirs: number
}

async function compareAll(t: TestContext, specs: readonly SeccompSpec[], native: Native): Promise<void> {
  const programs = await compileAll(libseccomp, specs, (spec) => listed(spec, native))
  const refused = programs.filter((program) => program === EEXIST).length
  const differences = specs.flatMap((spec, index) => {
    const program = programs[index]
    if (program === EEXIST) return []
    assert.ok(program instanceof Uint8Array, `libseccomp refuses: errno ${program}\n${JSON.stringify(spec)}`)
    return compare(spec, program, native)
  })
  const standing = await withoutContradictions(differences, native)
  t.diagnostic(
    `${specs.length} sections, ${refused} refused by libseccomp, ${differences.length - standing.length} answers in which it contradicts itself`,
  )
  assert.ok(refused < specs.length / 2)
  const [first] = standing
  assert.deepEqual(standing.slice(0, 5).map(describe), [], `SECCOMP_SEED=${seed} ${JSON.stringify(first?.spec)}`)
}

function compare(spec: SeccompSpec, program: Uint8Array, native: Native): Difference[] {
  const own = compileSeccomp(spec, { arch: native })
  const differences: Difference[] = []
  for (const { arch, nr, args } of questions(spec, native)) {
    const data = { nr, arch: AUDIT[arch], args }
    const theirs = stubAnswer(spec, arch, nr, native) ?? runFilter(program, data).value
    const ours = runFilter(own, data).value
    if (theirs !== ours) differences.push({ spec, arch, nr, args, ours, theirs })
  }
  return differences
}

/**
 * libseccomp 2.5 loses track of the accumulator in some large filters (it compares a number that it has not loaded). Then it
 * is its own witness: what it answers when it is given nothing but the rules of that call.
 */
async function withoutContradictions(differences: readonly Difference[], native: Native): Promise<Difference[]> {
  const sections = differences.map(({ spec, arch, nr }) => ({
    ...spec,
    syscalls: (spec.syscalls ?? []).map((rule) => ({
      ...rule,
      names: rule.names.filter((name) => concerns(arch, nr, name)),
    })),
  }))
  const answers: Difference[] = []
  for (const [index, difference] of differences.entries()) {
    const section = sections[index]
    if (section === undefined || !listed(difference.spec, native).includes(difference.arch)) answers.push(difference)
    else {
      const [witness] = await compileAll(libseccomp, [section], () => [difference.arch])
      const data = { nr: difference.nr, arch: AUDIT[difference.arch], args: difference.args }
      if (!(witness instanceof Uint8Array) || runFilter(witness, data).value !== difference.ours)
        answers.push(difference)
    }
    if (answers.length > 5) break
  }
  return answers
}

function concerns(arch: Arch, nr: number, name: string): boolean {
  return numberOf(arch, name) === nr || (hasTwoDoors(arch, name) && (nr === SOCKETCALL || nr === IPC))
}

function describe({ arch, nr, args, ours, theirs }: Difference): string {
  return `${arch} ${nr} (${args.map((value) => value.toString(16))}): ${ours.toString(16)}, libseccomp ${theirs.toString(16)}`
}

/** What runc's own code before libseccomp's says: a number above all that a denying section names was made later. */
function stubAnswer(spec: SeccompSpec, arch: Arch, nr: number, native: Native): number | undefined {
  // -1 has the bit of x32, and no other number of x86_64 here has.
  const mode = arch === 'x86_64' && nr === 0xffff_ffff ? 'x32' : arch
  if (!hasStub(spec) || !listed(spec, native).includes(mode)) return undefined
  const numbers = (spec.syscalls ?? []).flatMap(({ names }) => names.map((name) => numberOf(mode, name)))
  const newest = Math.max(0, ...numbers)
  return newest > 0 && nr > newest ? ENOSYS : undefined
}

function numberOf(arch: Arch, name: string): number {
  return (hasTwoDoors(arch, name) ? syscallNumbers('i386').get(name) : table.get(arch)?.get(name)) ?? -1
}

function hasTwoDoors(arch: Arch, name: string): boolean {
  const number = table.get(arch)?.get(name) ?? 0
  return arch === 'x86' && number <= -100 && number >= -224
}

function* questions(spec: SeccompSpec, native: Native): Generator<{ arch: Arch; nr: number; args: bigint[] }> {
  const arches: readonly Arch[] = native === 'x86_64' ? ['x86_64', 'x86', 'x32'] : ['aarch64', 'x86']
  for (const arch of arches) {
    const rules = new Map<number, SeccompRule[]>()
    for (const rule of spec.syscalls ?? [])
      for (const name of rule.args === undefined ? [] : rule.names)
        for (const nr of hasTwoDoors(arch, name) ? [numberOf(arch, name), SOCKETCALL, IPC] : [numberOf(arch, name)])
          rules.set(nr, [...(rules.get(nr) ?? []), rule])
    const bit = arch === 'x32' ? X32_BIT : 0
    const numbers = [...Array(HIGHEST).keys()].map((number) => number + bit)
    // All calls with a second door meet behind it, and overlap there: see above.
    const meeting = [SOCKETCALL, IPC].filter(
      (nr) =>
        arch === 'x86' &&
        (rules.get(nr) ?? []).filter(({ args = [] }) => args.some(({ index }) => index > 0)).length > 1,
    )
    for (const nr of [...numbers, ...(bit === 0 ? [0x3fff_ffff, 0xffff_ffff] : [])])
      for (const args of meeting.includes(nr) ? [] : argumentSets(rules.get(nr) ?? [])) {
        // The kernel gives a filter the 32 bits that such a program has.
        const narrow = arch === 'x86' ? args.map((value) => value & 0xffff_ffffn) : args
        if (arch === 'x86' && (nr === SOCKETCALL || nr === IPC)) narrow[0] = (narrow[0] ?? 0n) % 28n
        yield { arch, nr, args: narrow }
      }
  }
}

function argumentSets(rules: readonly SeccompRule[]): bigint[][] {
  const sets = [[0n, 0n, 0n, 0n, 0n, 0n]]
  if (rules.length === 0) return sets
  const random = seeded(seed + rules.length)
  const telling = Array.from({ length: 6 }, (_, index) => tellingValues(rules, index))
  for (let round = 0; round < 60; round++) sets.push(telling.map((values) => values[random(values.length)] ?? 0n))
  return sets
}

/** Without the names that this libseccomp doesn't know. */
function withoutNewCalls(spec: SeccompSpec): SeccompSpec {
  const syscalls = (spec.syscalls ?? []).map((rule) => ({
    ...rule,
    names: rule.names.filter((name) => table.get('x86_64')?.get(name) !== -1),
  }))
  return { ...spec, syscalls: syscalls.filter(({ names }) => names.length > 0) }
}

function goldenFolder(from = new URL('.', import.meta.url)): URL {
  const candidate = new URL('test/golden/', from)
  return existsSync(candidate) || from.pathname === '/' ? candidate : goldenFolder(new URL('..', from))
}
