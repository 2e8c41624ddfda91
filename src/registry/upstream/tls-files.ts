// What TLS to a registry is made with.

/** Where Docker looks for those of each registry. Read at each use: no restart is needed after a change. */
export const CERTS_DIRECTORY = '/etc/docker/certs.d'

/** Certificates in PEM. */
export interface TlsFiles {
  /** Trusted besides the system's own. */
  authorities: readonly string[]
  /** What the client shows of itself. */
  pairs: readonly { certificate: string; key: string }[]
}
