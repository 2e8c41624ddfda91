// What the Docker CLI says of commands that may still change.

/** @param command of `manifest`; empty for the group itself. */
export function experimental(command: string, summary: string): string {
  return `${summary}\n
EXPERIMENTAL:
  ${['berth manifest', command].join(' ').trim()} is an experimental feature.
  Experimental features provide early access to product functionality. These
  features may change between releases without warning, or can be removed from a
  future release. Learn more about experimental features in our documentation:
  https://docs.docker.com/go/experimental/`
}

export const MANIFEST_DESCRIPTION = experimental(
  '',
  `The **docker manifest** command has subcommands for managing image manifests and
manifest lists. A manifest list allows you to use one name to refer to the same image
built for multiple architectures.

To see help for a subcommand, use:

    docker manifest CMD --help

For full details on using docker manifest lists, see the registry v2 specification.`,
)
