// Images on their way to registries and files, and back.
import type { CommandEntry } from '../command-index.ts'

export const IMAGE_COMMANDS: readonly CommandEntry[] = [
  {
    paths: ['history', 'image history'],
    usage: '[OPTIONS] IMAGE',
    summary: 'Show the history of an image',
    load: async () => (await import('../commands/history.ts')).history,
  },
  {
    paths: ['import', 'image import'],
    usage: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
    summary: 'Import the contents from a tarball to create a filesystem image',
    load: async () => (await import('../commands/import.ts')).importImage,
  },
  {
    paths: ['load', 'image load'],
    usage: '[OPTIONS]',
    summary: 'Load an image from a tar archive or STDIN',
    load: async () => (await import('../commands/load.ts')).load,
  },
  {
    paths: ['push', 'image push'],
    usage: '[OPTIONS] NAME[:TAG]',
    summary: 'Upload an image to a registry',
    rank: 6,
    load: async () => (await import('../commands/push.ts')).push,
  },
  {
    paths: ['push-to', 'image push-to'],
    usage: 'HOST IMAGE [IMAGE...]',
    summary: 'Send images to another engine, only what it lacks of them',
    isHidden: true, // the list of commands is the Docker CLI's
    load: async () => (await import('../commands/push-to.ts')).pushTo,
  },
  {
    paths: ['save', 'image save'],
    usage: '[OPTIONS] IMAGE [IMAGE...]',
    summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
    load: async () => (await import('../commands/save.ts')).save,
  },
  {
    paths: ['search'],
    usage: '[OPTIONS] TERM',
    summary: 'Search Docker Hub for images',
    rank: 10,
    load: async () => (await import('../commands/search.ts')).search,
  },
]
