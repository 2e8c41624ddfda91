// What the configuration says, in the registry's own terms: durations in milliseconds, defaults filled in.
import type { TokenServiceSettings } from '../auth/issue-token.ts'
import type { TokenSettings } from '../auth/verify-token.ts'
import type { CheckSettings } from '../health/checks.ts'
import type { EndpointSettings } from '../notifications/notifier.ts'
import type { ImmutableTags } from '../policy/immutable-tags.ts'
import type { Quota } from '../policy/quota.ts'
import type { UpstreamSettings } from '../proxy/upstreams.ts'
import type { S3Settings } from '../storage/s3-client.ts'
import type { LogFields, LogFormat, LogLevel } from '../../../base/log.ts'

export interface Settings {
  log: { level: LogLevel; format: LogFormat; accessLog: boolean; fields: LogFields }
  storage: StorageSettings
  /** Blobs and manifests may be deleted. */
  deletes: boolean
  readOnly: boolean
  uploadPurging: { enabled: boolean; ageMs: number; intervalMs: number; dryRun: boolean }
  /** The collector's rounds while serving. */
  collecting: { enabled: boolean; intervalMs: number; graceMs: number; deleteUntagged: boolean }
  scrubbing: { enabled: boolean; intervalMs: number }
  http: HttpSettings
  auth: AuthSettings
  tokenService: TokenServiceSettings | undefined
  /** Manifests may only refer to what is there. */
  validation: boolean
  /** The most names that `_catalog` gives at once. */
  catalogMax: number
  upstreams: readonly UpstreamSettings[]
  immutableTags: readonly ImmutableTags[]
  quotas: readonly Quota[]
  health: readonly CheckSettings[]
  notifications: readonly EndpointSettings[]
}

export type StorageSettings =
  | { kind: 'filesystem'; root: string }
  | { kind: 'inmemory' }
  | ({ kind: 's3' } & S3Settings)

export type ListenAddress = { kind: 'tcp'; host: string | undefined; port: number } | { kind: 'unix'; path: string }

export interface HttpSettings {
  address: ListenAddress
  /** Before `/v2/`; begins and ends with a slash. */
  prefix: string
  /** The address under which clients know the registry, for `Location`. */
  publicUrl: string | undefined
  relativeUrls: boolean
  drainTimeoutMs: number
  headers: Readonly<Record<string, readonly string[]>>
  /** Browsers are given a page. */
  page: boolean
  tls: TlsSettings | undefined
  debug: DebugSettings | undefined
}

export interface DebugSettings {
  address: ListenAddress
  /** Undefined: no metrics. */
  metricsPath: string | undefined
}

export interface TlsSettings {
  certificate: string
  key: string
  clientAuthorities: readonly string[]
  clientAuth:
    | 'request-client-cert'
    | 'require-any-client-cert'
    | 'verify-client-cert-if-given'
    | 'require-and-verify-client-cert'
  minimum: 'TLSv1.2' | 'TLSv1.3'
}

export type AuthSettings =
  | { kind: 'none' }
  | { kind: 'htpasswd'; realm: string; path: string }
  | ({ kind: 'token'; rootCertBundle: string | undefined; jwks: string | undefined } & TokenSettings)
