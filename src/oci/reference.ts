// Image references as Docker reads them (distribution/reference grammar; behaviours: no domain means docker.io, no slash there means library/).
import type { Digest } from './digest.ts'

export interface Reference {
  /** `docker.io`, `127.0.0.1:5000`. */
  domain: string
  /** `library/busybox`. */
  path: string
  tag: string | undefined
  digest: Digest | undefined
}
