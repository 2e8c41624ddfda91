// A registry from its settings: the store, access, the listening server.
import { systemClock } from '../../base/clock.ts'
import { KeyedMutex } from '../../base/keyed-mutex.ts'
import type { Log } from '../../base/log.ts'
import { openAccess } from './auth/open-access.ts'
import type { Settings, StorageSettings } from './config/settings.ts'
import { UploadHashes } from './content/upload-hashes.ts'
import { runMaintenance } from './gc/schedule.ts'
import { answerRequest } from './http/answer-request.ts'
import { listen } from './http/serve.ts'
import type { Registry } from './registry.ts'
import { DirectoryStore } from './storage/directory-store.ts'
import { MemoryStore } from './storage/memory-store.ts'
import type { RegistryStore } from './storage/store.ts'

export interface RunningRegistry {
  registry: Registry
  /** Where it listens. */
  address: string
  /** Requests under way have `http.draintimeout` to end. */
  close(): Promise<void>
}

/** Resolves when it answers. Throws what keeps it from that. */
export async function openRegistry(settings: Settings, log: Log): Promise<RunningRegistry> {
  const store = openStore(settings.storage)
  await store.check()
  const registry: Registry = {
    ...{ settings, store, log, clock: systemClock },
    ...(await openAccess(settings)),
    hashes: new UploadHashes(),
    uploads: new KeyedMutex(),
  }
  const stop = new AbortController()
  const server = await listen(settings.http, (request, response) => void answerRequest(registry, request, response))
  const maintenance = runMaintenance(registry, stop.signal)
  log.info('listening', { address: server.address, tls: settings.http.tls !== undefined })
  return {
    registry,
    address: server.address,
    async close() {
      stop.abort()
      await Promise.all([server.close(settings.http.drainTimeoutMs), maintenance])
      await store[Symbol.asyncDispose]()
    },
  }
}

export function openStore(storage: StorageSettings): RegistryStore {
  switch (storage.kind) {
    case 'filesystem':
      return new DirectoryStore(storage.root)
    case 'inmemory':
      return new MemoryStore()
  }
}
