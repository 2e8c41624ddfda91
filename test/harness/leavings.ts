// What an engine holds, on disk and in the kernel, as a list of words: a failure or a crash must not make it longer.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestEngine } from './berth.ts'
import { eventually, must } from './command.ts'
import { listResidue } from './residue.ts'

const DIRECTORIES = {
  blob: 'data/containerd/content/blobs/sha256',
  ingest: 'data/containerd/content/ingest',
  record: 'data/containers',
  volume: 'data/volumes',
  endpoint: 'data/network/endpoints',
  bundle: 'exec/containerd/state/tasks/moby',
  netns: 'exec/netns',
  stream: 'exec/streams',
} as const

/** Everything of the engine's that can be counted. The engine and its containerd must be up. */
export async function listLeavings(engine: TestEngine): Promise<string[]> {
  const files = Object.entries(DIRECTORIES).flatMap(([word, path]) =>
    readNames(placeOf(engine, path)).map((name) => `${word} ${name}`),
  )
  const snapshots = await snapshotDirectories(engine)
  return [
    ...[...files, ...snapshots, ...(await metadata(engine)), ...(await elements())],
    ...(await listResidue(engine.directory, engine.cgroupParent)),
  ].sort()
}

/** The first container of an image brings a layer that stays as long as the image does. */
export async function makeInitLayer(engine: TestEngine, image: string): Promise<void> {
  await engine.ok('rm', await engine.ok('create', image, 'true'))
}

/** Waits until nothing is there but what `before` tells of; what is left then is the error. */
export async function nothingBut(before: readonly string[], engine: TestEngine, limitMs = 15_000): Promise<void> {
  const known = new Set(before)
  await eventually('nothing is left behind', limitMs, async () => {
    const left = (await listLeavings(engine)).filter((line) => !known.has(line))
    return left.length === 0 || Promise.reject(new Error(`\n${left.join('\n')}\n`))
  })
}

/** An engine with `userns-remap` has its data one directory further down. */
function placeOf(engine: TestEngine, path: string): string {
  const mapped = readNames(join(engine.directory, 'data')).find((name) => /^\d+\.\d+$/.test(name))
  return join(engine.directory, mapped === undefined ? path : path.replace(/^data/, `data/${mapped}`))
}

/** As nothingBut, but for what a pull that was cut or killed keeps for the next one of its name: blobs and uploads, the lease that lists them, and snapshots that a blob names. */
export async function nothingButKept(before: readonly string[], engine: TestEngine): Promise<void> {
  const known = new Set(before)
  await eventually('nothing is left behind but for the next pull', 15_000, async () => {
    const left = (await listLeavings(engine)).filter((line) => !known.has(line))
    const isKept = left.some((line) => line.startsWith('leases pulled-'))
    const strange = left.filter((line) => !isKept || !/^(?:blob|ingest|snapshot|leases pulled-)/.test(line))
    return strange.length === 0 || Promise.reject(new Error(`\n${left.join('\n')}\n`))
  })
}

function readNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}

/** By number: an image's init layer, which the first container made of it brings and which goes with the image, is left out of the count. */
async function snapshotDirectories(engine: TestEngine): Promise<string[]> {
  const names = (await must([...ctrOf(engine), 'snapshots', '--snapshotter', 'overlayfs', 'ls'])).split('\n')
  const initLayers = names.filter((line) => /^init-\S+ .*Committed/.test(line)).length
  const directories = readNames(placeOf(engine, 'data/containerd/overlayfs/snapshots'))
  return directories.slice(initLayers).map((_, at) => `snapshot number ${at + 1}`)
}

export function ctrOf(engine: TestEngine): string[] {
  return ['ctr', '-a', join(engine.directory, 'exec/containerd/containerd.sock'), '-n', 'moby']
}

/** Asked of containerd with containerd's own tool. */
async function metadata(engine: TestEngine): Promise<string[]> {
  const ctr = ctrOf(engine)
  const lists = await Promise.all(
    [
      ['containers', 'ls', '-q'],
      ['leases', 'ls', '-q'],
      ['tasks', 'ls', '-q'],
    ].map(async (words) => {
      const text = await must([...ctr, ...words])
      return text === '' ? [] : text.split('\n').map((name) => `${words[0]} ${name}`)
    }),
  )
  return lists.flat()
}

/** Published ports and the like: whatever a rule or an element of ours names. Handles and counters are left out by nft. */
async function elements(): Promise<string[]> {
  const text = await must(['nft', '--stateless', 'list', 'ruleset'])
  return text
    .split(/[\n,]/)
    .map((line) => `nft rule ${line.replace(/elements = \{|\}/g, '').trim()}`)
    .filter((line) => line !== 'nft rule ')
}
