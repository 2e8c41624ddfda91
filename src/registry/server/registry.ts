// What every request works with.
import type { Clock } from '../../base/clock.ts'
import type { KeyedMutex } from '../../base/keyed-mutex.ts'
import type { Log } from '../../base/log.ts'
import type { Authorize } from './auth/access.ts'
import type { TokenService } from './auth/issue-token.ts'
import type { Settings } from './config/settings.ts'
import type { UploadHashes } from './content/upload-hashes.ts'
import type { Health } from './health/checks.ts'
import type { RequestMetrics } from './metrics/request-metrics.ts'
import type { Notifier } from './notifications/notifier.ts'
import type { Page } from './page/page.ts'
import type { BlobSizes } from './policy/blob-sizes.ts'
import type { Transfer } from './proxy/transfer.ts'
import type { Upstreams } from './proxy/upstreams.ts'
import type { RegistryStore } from './storage/store.ts'

export interface Registry {
  settings: Settings
  store: RegistryStore
  authorize: Authorize
  tokenService: TokenService | undefined
  /** Undefined where browsers are given none. */
  page: Page | undefined
  hashes: UploadHashes
  /** One request at a time for an upload. */
  uploads: KeyedMutex
  /** For quotas. */
  sizes: BlobSizes
  /** One at a time for each manifest of another registry. */
  fetches: KeyedMutex
  /** Blobs on their way from other registries, by repository and digest. */
  transfers: Map<string, Transfer>
  upstreams: Upstreams
  metrics: RequestMetrics
  health: Health
  notifier: Notifier
  clock: Clock
  log: Log
}
