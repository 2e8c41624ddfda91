// Files in and out of containers.
import type { CommandEntry } from '../command-index.ts'

export const FILE_COMMANDS: readonly CommandEntry[] = [
  {
    paths: ['commit', 'container commit'],
    usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
    summary: "Create a new image from a container's changes",
    load: async () => (await import('../commands/commit.ts')).commit,
  },
  {
    paths: ['cp', 'container cp'],
    usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
    summary: 'Copy files/folders between a container and the local filesystem',
    load: async () => (await import('../commands/cp.ts')).cp,
  },
  {
    paths: ['diff', 'container diff'],
    usage: 'CONTAINER',
    summary: "Inspect changes to files or directories on a container's filesystem",
    load: async () => (await import('../commands/diff.ts')).diff,
  },
  {
    paths: ['export', 'container export'],
    usage: '[OPTIONS] CONTAINER',
    summary: "Export a container's filesystem as a tar archive",
    load: async () => (await import('../commands/export.ts')).exportContainer,
  },
]
