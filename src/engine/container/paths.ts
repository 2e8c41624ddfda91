// Where a container's things are on the host.
import { join } from 'node:path'
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'

type Configured = Pick<Engine, 'config'>

/** Served by the shim, for attach to the container and its execs. */
export function streamSocketPath(engine: Configured, id: string): string {
  return join(streamsDirectory(engine), id)
}

export function streamsDirectory(engine: Configured): string {
  return join(engine.config.execRoot, 'streams')
}

/** A bind mount of the container's network namespace. */
export function netnsPath(engine: Configured, id: string): string {
  return join(netnsDirectory(engine), id)
}

export function netnsDirectory(engine: Configured): string {
  return join(engine.config.execRoot, 'netns')
}

export function hostnamePath(container: Container): string {
  return join(container.directory, 'hostname')
}

export function hostsPath(container: Container): string {
  return join(container.directory, 'hosts')
}

export function resolvConfPath(container: Container): string {
  return join(container.directory, 'resolv.conf')
}
