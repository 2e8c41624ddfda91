// Who may do what, by the configuration.
import type { AuthSettings } from '../config/settings.ts'
import type { Authorize } from './access.ts'
import { htpasswdAccess } from './htpasswd.ts'

export function openAccess(auth: AuthSettings): Authorize {
  switch (auth.kind) {
    case 'none':
      return async () => {}
    case 'htpasswd':
      return htpasswdAccess(auth)
  }
}
