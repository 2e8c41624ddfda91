// Who may do what, by the configuration.
import type { Settings } from '../config/settings.ts'
import type { Authorize } from './access.ts'
import { htpasswdAccess } from './htpasswd.ts'
import { openTokenService, type TokenService } from './issue-token.ts'
import { loadTokenKeys } from './token-keys.ts'
import { tokenAccess } from './verify-token.ts'

export interface OpenedAccess {
  authorize: Authorize
  /** Undefined where tokens come from elsewhere, or none are needed. */
  tokenService: TokenService | undefined
}

/** Throws for files that can't be used. */
export async function openAccess({ auth, tokenService: service }: Settings): Promise<OpenedAccess> {
  switch (auth.kind) {
    case 'none':
      return { authorize: async () => {}, tokenService: undefined }
    case 'htpasswd':
      return { authorize: htpasswdAccess(auth), tokenService: undefined }
    case 'token': {
      const tokenService = service === undefined ? undefined : await openTokenService(service)
      return { authorize: tokenAccess(auth, await loadTokenKeys({ ...auth, own: tokenService?.key })), tokenService }
    }
  }
}
