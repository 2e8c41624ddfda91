// The original containerd and its own shim over our runtime and over runc, driven by ctr: the same command lines, the same to be seen of both.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type RealContainerd, startRealContainerd } from '../harness/real-containerd.ts'
import { must, run } from '../harness/command.ts'
import {
  assertSame,
  type Comparison,
  makeProbedTree,
  OURS,
  parseLines,
  PROBE,
  type Side,
  SIDES,
} from '../harness/drop-in.ts'
import { skipWithout } from '../harness/runtime.ts'
import { LIVES, RUNS } from './drop-in-containerd-lines.ts'

const skip = skipWithout('containerd', 'ctr', 'runc')
let directory = ''
let containerd: RealContainerd | undefined

/** Named as a container of the side's is, so that mounts of it compare. */
const treeOf = (side: Side) => join(directory, `c-${side.name}-0`)
const envOf = (side: Side): Record<string, string> => ({
  X: `ctr -a ${containerd?.address} -n test`,
  B: `--runc-binary ${side.path} --env PATH=/bin --rootfs`,
  T: treeOf(side),
  F: join(directory, 'files'),
})
const comparison: Comparison = {
  env: envOf,
  cwd: () => directory,
  cleanup: '$X t rm -f $C; $X c rm $C',
  explain: () => containerd?.log().slice(-1500) ?? '',
}

before(async () => {
  if (skip !== false) return
  assert.ok(existsSync(OURS.path), `${OURS.path} is not built`)
  directory = await mkdtemp(join(tmpdir(), 'drop-in-containerd-'))
  await mkdir(join(directory, 'files'))
  for (const side of SIDES) {
    const tree = treeOf(side)
    await makeProbedTree(tree)
    await writeFile(join(tree, 'probe'), PROBE)
  }
  containerd = await startRealContainerd()
})

after(async () => {
  if (containerd !== undefined) {
    const env = envOf(OURS)
    await run(
      ['sh', '-c', 'for c in $($X t ls -q); do $X t rm -f $c; done; for c in $($X c ls -q); do $X c rm $c; done'],
      { env },
    )
    await containerd[Symbol.asyncDispose]()
  }
  if (directory !== '') await rm(directory, { recursive: true, force: true })
})

describe('run', { skip, concurrency: 3 }, () => {
  for (const line of parseLines(RUNS)) test(line.script, () => assertSame(line, comparison))
})

describe('a running container', { skip, concurrency: 3 }, () => {
  const start = `$X run $B -d --null-io $T $C sh -c 'trap "touch /tmp/usr1" USR1; while :; do sleep 0.05; done'`
  for (const line of parseLines(LIVES))
    test(line.script, () => assertSame({ code: line.code, script: `${start}; ${line.script}` }, comparison))
})

test('the runtime that a container was made with is the one that was named', { skip }, async () => {
  const env = { ...envOf(OURS), C: 'named' }
  const script = '$X run $B -d --null-io $T $C sleep 1000 && $X c info $C; $X t rm -f $C >/dev/null; $X c rm $C'
  const info = await must(['sh', '-c', script], { env })
  const [, options = ''] = /"value": "([^"]+)"/.exec(info) ?? []
  assert.ok(Buffer.from(options, 'base64').includes(OURS.path), info)
})
