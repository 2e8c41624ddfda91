// A registry from its settings: the store, access, the listening server.
import { systemClock } from '../../base/clock.ts'
import { KeyedMutex } from '../../base/keyed-mutex.ts'
import type { Log } from '../../base/log.ts'
import { openAccess } from './auth/open-access.ts'
import type { Settings, StorageSettings } from './config/settings.ts'
import { UploadHashes } from './content/upload-hashes.ts'
import { runMaintenance } from './gc/schedule.ts'
import { Health, runChecks } from './health/checks.ts'
import { answerRequest } from './http/answer-request.ts'
import { listen } from './http/serve.ts'
import { RequestMetrics } from './metrics/request-metrics.ts'
import { serveDebug } from './metrics/serve-debug.ts'
import { openNotifier } from './notifications/notifier.ts'
import { Page } from './page/page.ts'
import { BlobSizes } from './policy/blob-sizes.ts'
import { Upstreams } from './proxy/upstreams.ts'
import type { Registry } from './registry.ts'
import { DirectoryStore } from './storage/directory-store.ts'
import { MemoryStore } from './storage/memory-store.ts'
import type { RegistryStore } from './storage/store.ts'

/** What waits to be told to others has that long in the end. */
const NOTIFY_MS = 5000

export interface RunningRegistry {
  registry: Registry
  /** Where it listens. */
  address: string
  debugAddress: string | undefined
  /** Requests under way have `http.draintimeout` to end. */
  close(): Promise<void>
}

/** Resolves when it answers. Throws what keeps it from that. */
export async function openRegistry(settings: Settings, log: Log): Promise<RunningRegistry> {
  const store = await openStore(settings.storage)
  await store.check()
  const registry: Registry = {
    ...{ settings, store, log, clock: systemClock },
    ...(await openAccess(settings)),
    page: settings.http.page ? new Page(settings) : undefined,
    hashes: new UploadHashes(),
    uploads: new KeyedMutex(),
    sizes: new BlobSizes(store),
    fetches: new KeyedMutex(),
    transfers: new Map(),
    upstreams: new Upstreams(settings.upstreams),
    metrics: new RequestMetrics(),
    health: new Health(),
    notifier: openNotifier(settings.notifications, systemClock, log),
  }
  const stop = new AbortController()
  const server = await listen(settings.http, (request, response) => void answerRequest(registry, request, response))
  const debug = settings.http.debug === undefined ? undefined : await serveDebug(registry, settings.http.debug)
  const background = Promise.all([runMaintenance(registry, stop.signal), runChecks(registry, stop.signal)])
  log.info('listening', { address: server.address, tls: settings.http.tls !== undefined })
  return {
    registry,
    address: server.address,
    debugAddress: debug?.address,
    async close() {
      stop.abort()
      registry.health.drain()
      await Promise.all([server.close(settings.http.drainTimeoutMs), background])
      await registry.notifier.close(NOTIFY_MS)
      await debug?.close(0)
      await store[Symbol.asyncDispose]()
    },
  }
}

export async function openStore(storage: StorageSettings): Promise<RegistryStore> {
  switch (storage.kind) {
    case 'filesystem':
      return new DirectoryStore(storage.root)
    case 's3': {
      const { S3Store } = await import('./storage/s3-store.ts') // with its library, which who has a directory needs not
      return new S3Store(storage)
    }
    case 'inmemory':
      return new MemoryStore()
  }
}
