// What tests of layers ask of a containerd, ours or the original: diffs, their bytes, their entries.
import assert from 'node:assert/strict'
import { TarParser } from '../../src/wire/tar/tar-parser.ts'
import type { ContainerdSide } from './two-containerds.ts'

/** The layer between committed `left` and active `right`. */
export async function diffSnapshots(
  side: ContainerdSide,
  snapshotter: string,
  left: string,
  right: string,
  request: { mediaType?: string; ref?: string; labels?: Record<string, string>; epoch?: number } = {},
  signal?: AbortSignal,
) {
  const view = `view-${left}`
  const { mounts } = await side.client.snapshots.view({ snapshotter, key: view, parent: left })
  try {
    const upper = await side.client.snapshots.mounts({ snapshotter, key: right })
    const { epoch, ...fields } = request
    const { diff: made } = await side.client.diff.diff(
      {
        left: mounts,
        right: upper.mounts,
        ...fields,
        ...(epoch === undefined ? {} : { sourceDateEpoch: { seconds: BigInt(epoch) } }),
      },
      signal === undefined ? {} : { signal },
    )
    return made!
  } finally {
    await side.client.snapshots.remove({ snapshotter, key: view })
  }
}

export async function blobOf(side: ContainerdSide, digest: string): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const { data } of side.client.content.read({ digest })) parts.push(data)
  return Buffer.concat(parts)
}

/** Name, kind, mode, owner, link and size of each entry, as it comes. */
export function entriesOf(tar: Buffer): string[] {
  const lines: string[] = []
  const parser = new TarParser({
    entry: ({ name, type, mode, uid, gid, linkName, size, xattrs }) => {
      const capability = xattrs.get('security.capability')
      const facts = [name, type, mode.toString(8), `${uid}:${gid}`, linkName, size, capability && 'capable']
      lines.push(facts.join(' '))
    },
    data: () => {},
    end: () => {},
  })
  parser.push(tar)
  parser.finish()
  return lines
}

/** No collection comes by itself from now on until something is removed: what ctr makes without a label or a lease stays that long. */
export async function collectNow(side: ContainerdSide): Promise<void> {
  await side.client.leases.create({ id: 'collect-now' })
  await side.client.leases.delete({ id: 'collect-now', sync: true })
}

/** Every snapshot goes, children first. */
export async function removeAll(side: ContainerdSide, snapshotter: string): Promise<void> {
  const parents = new Map<string, string>()
  for await (const { info } of side.client.snapshots.list({ snapshotter }))
    for (const { name, parent } of info) parents.set(name, parent)
  while (parents.size > 0) {
    const leaves = [...parents.keys()].filter((name) => ![...parents.values()].includes(name))
    assert.ok(leaves.length > 0)
    for (const key of leaves) {
      await side.client.snapshots.remove({ snapshotter, key }).catch(() => {}) // a collection may have been faster
      parents.delete(key)
    }
  }
  assert.equal((await side.ok('snapshots', '--snapshotter', snapshotter, 'ls')).split('\n').length, 1)
}
