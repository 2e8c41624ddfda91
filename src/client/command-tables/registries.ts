// Commands that speak of registries rather than of images.
import type { CommandEntry } from '../command-index.ts'

export const REGISTRY_COMMANDS: readonly CommandEntry[] = [
  {
    paths: ['login'],
    usage: '[OPTIONS] [SERVER]',
    summary: 'Authenticate to a registry',
    rank: 8,
    load: async () => (await import('../commands/login.ts')).login,
  },
  {
    paths: ['logout'],
    usage: '[SERVER]',
    summary: 'Log out from a registry',
    rank: 9,
    load: async () => (await import('../commands/login.ts')).logout,
  },
]
