// Which user namespace a container is in, and what follows for the others: who shares another namespace of a container's shares its users too, since only
// they have a say in it.
import { readlinkSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import type { Engine } from '../engine.ts'
import { mapOf } from '../userns/map-of-container.ts'
import type { Container } from './container.ts'
import { networkKind } from './network-settings.ts'
import type { SpecInput } from './spec/spec-input.ts'

/** `others`: whose namespaces it joins, all alive. Throws conflict where their users are not the same. */
export function usersOf(engine: Engine, container: Container, others: readonly Container[]): SpecInput['users'] {
  const map = mapOf(engine, container)
  if (map === undefined) return undefined
  const [first] = others
  if (first === undefined) return { kind: 'new', map }
  for (const other of others) if (mapOf(engine, other) === undefined) throw mixed(other)
  const namespaces = new Set(others.map((other) => readlinkSync(usersPath(other))))
  if (namespaces.size > 1)
    throw new Failure('conflict', 'cannot join namespaces of containers that do not share a user namespace')
  return { kind: 'path', map, path: usersPath(first) }
}

/** Its network namespace must belong to its user namespace, which comes with its task. */
export function makesNetnsItself(engine: Engine, container: Container): boolean {
  return mapOf(engine, container) !== undefined && ['bridge', 'none'].includes(networkKind(container))
}

function usersPath({ state }: Container): string {
  return `/proc/${state.pid}/ns/user`
}

function mixed(other: Container): Failure {
  return new Failure(
    'conflict',
    `cannot join namespaces of container ${other.id}, which is in the host's user namespace`,
  )
}
