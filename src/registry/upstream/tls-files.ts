// What TLS to a registry is made with.

/** Certificates in PEM. */
export interface TlsFiles {
  /** Trusted besides the system's own. */
  authorities: readonly string[]
  /** What the client shows of itself. */
  pairs: readonly { certificate: string; key: string }[]
}
