// Writes src/gen/syscalls-<arch>.ts from the kernel headers of an x86_64 machine with a C preprocessor:
//   node build/js/tools/gen-syscalls.js src/gen
// Kernel headers of a distribution lag behind kernels, so what came later is listed here; those numbers are the same everywhere.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'

const LATER: Readonly<Record<string, number>> = {
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
  listns: 470,
}

interface Source {
  arch: string
  header: string
  defines: readonly string[]
  later: Readonly<Record<string, number>>
}

const X86_HEADERS = '/usr/include/x86_64-linux-gnu/asm'
const SOURCES: readonly Source[] = [
  {
    arch: 'x86-64',
    header: `${X86_HEADERS}/unistd_64.h`,
    defines: [],
    later: { uretprobe: 335, uprobe: 336, ...LATER },
  },
  { arch: 'i386', header: `${X86_HEADERS}/unistd_32.h`, defines: [], later: LATER },
  // The x32 numbers are written without bit 30.
  {
    arch: 'x32',
    header: `${X86_HEADERS}/unistd_x32.h`,
    defines: ['__X32_SYSCALL_BIT=0'],
    later: Object.fromEntries(Object.entries(LATER).filter(([name]) => name !== 'map_shadow_stack')), // has no shadow stacks
  },
  {
    arch: 'aarch64',
    header: '/usr/include/asm-generic/unistd.h',
    // What arch/arm64's own asm/unistd.h asks of the generic table.
    defines: [
      '__ARCH_WANT_RENAMEAT',
      '__ARCH_WANT_NEW_STAT',
      '__ARCH_WANT_SET_GET_RLIMIT',
      '__ARCH_WANT_TIME32_SYSCALLS',
      '__ARCH_WANT_SYS_CLONE3',
      '__ARCH_WANT_MEMFD_SECRET',
    ],
    later: LATER,
  },
]

function readNumbers(source: Source): Map<string, number> {
  const flags = source.defines.map((define) => `-D${define}`)
  const text = execFileSync('cc', ['-E', '-dM', '-xc', ...flags, source.header], { encoding: 'utf8' })
  const macros = new Map<string, string>()
  for (const [, name, value] of text.matchAll(/^#define (__NR\w+) (.+)$/gm)) macros.set(name!, value!)
  const numbers = new Map<string, number>()
  for (const [macro] of macros) {
    const name = /^__NR_(?!syscalls$|arch_specific_syscall$)(\w+)$/.exec(macro)?.[1]
    if (name !== undefined) numbers.set(name, evaluate(macro, macros))
  }
  for (const [name, number] of Object.entries(source.later)) numbers.set(name, number)
  return numbers
}

/** A number, the name of another macro, or a sum `(0 + 12)`. */
function evaluate(macro: string, macros: ReadonlyMap<string, string>): number {
  const value = macros.get(macro)?.trim() ?? ''
  if (macros.has(value)) return evaluate(value, macros)
  const sum = /^\((\w+) \+ (\d+)\)$/.exec(value)
  const number = sum !== null && sum[1] === '__X32_SYSCALL_BIT' ? Number(sum[2]) : Number(value)
  if (!Number.isSafeInteger(number) || value === '') throw new Error(`${macro}: cannot read ${JSON.stringify(value)}`)
  return number
}

/** Names in order of their numbers; `=n` where the next number is not the previous plus one. */
function formatNumbers(numbers: ReadonlyMap<string, number>): string {
  const words: string[] = []
  let next = 0
  for (const [name, number] of [...numbers].sort(([a, m], [b, n]) => m - n || (a < b ? -1 : 1))) {
    if (number !== next) words.push(`=${number}`)
    words.push(name)
    next = number + 1
  }
  const lines: string[] = []
  let line = ''
  for (const word of words) {
    if (line.length + word.length > 110) {
      lines.push(line.trim())
      line = ''
    }
    line += `${word} `
  }
  return `${lines.join('\n')}\n${line.trim()}`
}

const directory = process.argv[2]
if (directory === undefined) throw new Error('usage: gen-syscalls <directory>')
for (const source of SOURCES) {
  const text =
    `// Written by tools/gen-syscalls.ts. System calls in order of their numbers; \`=n\` sets the number of the next name.\n` +
    `export const SYSCALLS = \`\n${formatNumbers(readNumbers(source))}\n\`\n`
  writeFileSync(`${directory}/syscalls-${source.arch}.ts`, text)
}
