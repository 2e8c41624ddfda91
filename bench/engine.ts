// Our engine and the real dockerd side by side, part by part, in one run. BENCH_ONLY=ps,cp chooses parts; each that ends writes its own section.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pushBusybox } from '../test/harness/images.ts'
import { startRegistry } from '../test/harness/registry.ts'
import { cpPart } from './engine-cp.ts'
import { eventsPart } from './engine-events.ts'
import { idlePart } from './engine-idle.ts'
import { lifecyclePart } from './engine-lifecycle.ts'
import { logsPart } from './engine-logs.ts'
import { psPart } from './engine-ps.ts'
import { pullPart } from './engine-pull.ts'
import { startPart } from './engine-start.ts'
import { statsPart } from './engine-stats.ts'
import { interrupt, interruptOnSignals, untilInterrupted } from './interruption.ts'
import { type Peer, startBerth, startDockerd } from './peers.ts'
import { type Part, Stage } from './stage.ts'

const PARTS: readonly Part[] = [
  startPart,
  lifecyclePart,
  psPart,
  statsPart,
  cpPart,
  logsPart,
  eventsPart,
  pullPart,
  idlePart,
]

const GRACE_MS = 60_000
const chosen = chooseParts(process.env['BENCH_ONLY'])
interruptOnSignals()
const directory = await mkdtemp(join(tmpdir(), 'berth-bench-'))
const opened: AsyncDisposable[] = []
try {
  const registry = await startRegistry(`${directory}/registry`)
  opened.push(registry)
  await pushBusybox(registry.host)
  const peers: Peer[] = []
  for (const start of [startBerth, startDockerd]) {
    const peer = await start()
    if (peer === undefined) continue
    peers.push(peer)
    opened.push(peer)
  }
  for (const part of chosen) await runPart(part, peers, registry.host)
} finally {
  for (const each of opened.reverse()) await each[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
}

async function runPart(part: Part, peers: readonly Peer[], registry: string): Promise<void> {
  console.log(`\n## ${part.title}`)
  const limit = setTimeout(
    () => interrupt(`${part.name} took longer than ${part.limitSeconds} s`),
    part.limitSeconds * 1000,
  )
  try {
    const stage = new Stage(peers, registry)
    for (const peer of peers) await peer.ok('pull', '-q', stage.image)
    const work = part.measure(stage)
    work.catch(() => {}) // once interrupted, it ends as it may
    await untilInterrupted(work, GRACE_MS)
    stage.report(part)
  } finally {
    clearTimeout(limit)
  }
}

/** All, if none is named. */
function chooseParts(names: string | undefined): readonly Part[] {
  if (names === undefined || names === '') return PARTS
  return names.split(',').map((name) => {
    const part = PARTS.find((each) => each.name === name)
    if (part === undefined)
      throw new Error(`no part is named ${name}; there are ${PARTS.map((each) => each.name).join(', ')}`)
    return part
  })
}
