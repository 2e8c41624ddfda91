// Does what findings say can be done. The caller holds the root's lock.
import { rmSync } from 'node:fs'
import type { Log } from '../../base/log.ts'
import type { Codec } from '../metadata/codec.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { Finding } from './finding.ts'
import { openMetadata } from './open-metadata.ts'

const RAW: Codec<Uint8Array> = { encode: (bytes) => bytes, decode: (bytes) => bytes }

/** Opening the store is a repair itself: it builds a damaged database again. What a start of the daemon does is left to that. */
export async function repair(root: string, state: string, findings: readonly Finding[], log: Log): Promise<void> {
  const metadata = await openMetadata(root, state, log)
  try {
    // Records first: a record without bytes is worse than bytes without a record.
    metadata.transaction(() => {
      for (const { repair: steps = [] } of findings)
        for (const step of steps) if (step.kind !== 'unlink') changeRecord(metadata, step)
    })
    await metadata.flush()
  } finally {
    await metadata.close()
  }
  for (const { repair: steps = [] } of findings)
    for (const step of steps) if (step.kind === 'unlink') rmSync(step.path, { recursive: true, force: true })
}

function changeRecord(
  metadata: MetadataStore,
  step: { kind: 'put'; key: string; value: Uint8Array } | { kind: 'remove'; key: string } | { kind: 'at-start' },
): void {
  if (step.kind === 'at-start') return
  const colon = step.key.indexOf(':')
  const bucket = metadata.bucket(step.key.slice(0, colon), RAW)
  const name = step.key.slice(colon + 1)
  if (step.kind === 'put') bucket.put(name, step.value)
  else bucket.remove(name)
}
