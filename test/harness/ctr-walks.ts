// Walks of ctr: lists of lines run in their order against an original containerd and ours, the same to be seen of both.
import assert from 'node:assert/strict'
import { readdirSync, rmdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  assertSameLine,
  type ContainerdPair,
  type Difference,
  type PairSide,
  startPair,
  type Walk,
} from './containerd-pair.ts'
import { parseLines } from './drop-in.ts'
import { makeImageArchive } from './image-archive.ts'
import { makeBusyboxTree } from './images.ts'
import { startRegistry, type TestRegistry } from './registry.ts'
import { BIN } from './root.ts'

const IMAGE = 'docker.io/library/two-layers:1'
/** The digest of `hello`. */
const HELLO = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
/** Hides what no two events have in common. */
const MASK = [
  'sed -E',
  's/"pid":[0-9]+/"pid":<n>/',
  's/"exited_at":("[^"]*"|[^,}]*)/"exited_at":<time>/',
  's/"bundle":"[^"]*"/<bundle>/',
  's/"value":"[^"]*"/<value>/',
  's#/fifo/[0-9]+#/fifo/<n>#g',
  's#snapshots/[0-9]+#snapshots/<n>#g',
].join(' -e ')

/** Two words of one length, so that tables with them are as wide. */
const wordOf = (side: PairSide, walk: string) => `${side.name === 'ours' ? 'o' : 't'}${process.pid}-${walk}`

/** What no two daemons have in common. */
const EVERYWHERE: readonly Difference[] = [
  { reason: 'a namespace of the side', pattern: new RegExp(`\\b[ot]${process.pid}-`, 'g'), as: '<side>-' },
  { reason: 'moments', pattern: /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)?/g, as: '<time>' },
  { reason: 'ages', pattern: /Less than a second|About a second|\d+ (seconds?|minutes?)( ago)?/g, as: '<age>' },
  { reason: 'filters are wrapped once more by 1.6', pattern: /(: invalid argument){2}$/gm, as: ': invalid argument' },
  { reason: 'sizes in the words of containerd 2', pattern: /length \(\d+ bytes\) greater/g, as: 'greater' },
  {
    reason: 'warnings of the client about another version',
    pattern: /^WARNING: (version|revision) mismatch\n/gm,
    as: '',
  },
  {
    reason: 'names of the daemon’s directories',
    pattern: /<home>\/root\/(io\.containerd\.snapshotter\.v1\.)?overlayfs/g,
    as: '<snapshots>',
  },
  {
    reason: 'where bundles are',
    pattern: /<home>\/state\/(tasks|io\.containerd\.runtime\.v2\.task)/g,
    as: '<bundles>',
  },
  { reason: 'the order of mount options', pattern: /index=off,|,index=off/g, as: '' },
  { reason: 'the same mount options in an event', pattern: /"index=off",|,"index=off"/g, as: '' },
  {
    reason: 'the original shows the key of its database',
    pattern: /<side>-snapshots\/\d+\/|bucket name required(: unknown)?|snapshot key is required: invalid argument/g,
    as: '',
  },
  {
    reason: 'the original does not name the snapshot',
    pattern: /failed to commit snapshot( \S+)?: /g,
    as: 'failed to commit snapshot: ',
  },
  {
    reason: 'what the client’s progress bar complains of when it is over',
    pattern: /^time="<time>" level=error msg=.*error="context canceled"\n/gm,
    as: '',
  },
  { reason: 'echo of the end of input, before the terminal is raw', pattern: /\^@/g, as: '' },
  {
    reason: 'a process that ended before it could be resized',
    pattern: /^[^\n]*ERRO[^\n]* resize pty [^\n]*\n/gm,
    as: '',
  },
  { reason: 'durations', pattern: /\d+(\.\d+)?(ms|s|µs)\b/g, as: '<duration>' },
]

export interface CtrWalks {
  title: string
  skip: string | false
  /** The original containerd, and the ctr that drives both: names along PATH or paths. */
  programs(): Promise<{ containerd: string; ctr: string }>
  /** By the word that the walk's namespace ends with. */
  walks: Readonly<Record<string, string>>
  /** For the scripts of this ctr only. */
  env: Readonly<Record<string, string>>
  differences: readonly Difference[]
}

/** Registers the tests: one for each line. */
export function describeWalks(options: CtrWalks): void {
  let pair: ContainerdPair | undefined
  let registry: TestRegistry | undefined
  let ctr = ''
  before(async () => {
    if (options.skip !== false) return
    const programs = await options.programs()
    ctr = programs.ctr
    pair = await startPair(programs.containerd, ctr)
    await makeImageArchive(pair.directory, IMAGE)
    await mkdir(join(pair.directory, 'files'))
    await writeFile(join(pair.directory, 'files/file'), 'of the host\n')
    for (const { name } of pair.sides) await makeBusyboxTree(join(pair.directory, `tree-${name}`))
    registry = await startRegistry(join(pair.directory, 'registry'))
  })
  after(async () => {
    await pair?.[Symbol.asyncDispose]()
    await registry?.[Symbol.asyncDispose]()
    removeNamespaceGroups()
  })
  const walkOf = (name: string): Walk => {
    assert.ok(pair && registry)
    const { host } = registry
    const { directory } = pair
    const env = (side: PairSide): Record<string, string> => ({
      X: `${ctr} -a ${side.address} -n ${wordOf(side, name)}`,
      S: wordOf(side, name),
      I: IMAGE,
      H: host,
      B: '--rootfs',
      D: HELLO,
      M: MASK,
      O: join(BIN, 'containerd-shim-berth-v2'),
      T: join(directory, `tree-${side.name}`),
      ...options.env,
    })
    return { pair, env, differences: [...EVERYWHERE, ...options.differences] }
  }
  describe(options.title, { skip: options.skip, concurrency: 2 }, () => {
    for (const [name, text] of Object.entries(options.walks))
      describe(name, { concurrency: 1 }, () => {
        for (const line of parseLines(text)) test(line.script, () => assertSameLine(line, walkOf(name)))
      })
  })
}

/** ctr puts its containers' groups below one named after the namespace, which nobody removes. */
function removeNamespaceGroups(): void {
  const own = new RegExp(`^[ot]${process.pid}-`)
  for (const path of ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)])
    try {
      for (const name of readdirSync(path).filter((entry) => own.test(entry))) rmdirSync(join(path, name))
    } catch {
      // Not a hierarchy, or still in use: what is left is told by the residue test.
    }
}
