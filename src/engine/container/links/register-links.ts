// Links from a create request, or from the records at the engine's start, to the index; and the way back.
import { Failure, isFailure, messageOf } from '../../../base/failure.ts'
import type { Engine } from '../../engine.ts'
import type { Container, LinkRecord } from '../container.ts'
import { isAlive } from '../container-state.ts'
import { writeHostsFile } from '../network-files.ts'
import { openLinks } from './open-links.ts'
import { parseLink } from './parse-link.ts'

type Host = Pick<Engine, 'containers' | 'log'>

const BUILT_IN = ['', 'default', 'bridge', 'host', 'none']

/** Of a container that is being created: the caller saves. Throws invalid-argument for who is not there, or has no address of its own. */
export function registerLinks(engine: Host, container: Container): void {
  const { NetworkMode: mode = '' } = container.record.hostConfig
  if (!BUILT_IN.includes(mode) && !mode.startsWith('container:')) return // in a network of users they are the endpoint's
  const links: LinkRecord[] = []
  for (const text of container.record.hostConfig.Links ?? []) {
    const { name, alias } = parseLink(text)
    const child = findLinked(engine, name)
    if (alias !== '' && engine.containers.links.add(container, alias, child))
      links.push({ alias, id: child.id, name: child.name })
    else engine.log.warn('a link is ignored: its alias is taken', { container: container.id, alias })
  }
  if (links.length > 0) container.record.links = links
}

/** Who shares another's network is reached at the other. A 404 would have the client pull the image. */
function findLinked(engine: Host, name: string): Container {
  const require = (wanted: string) => {
    try {
      if (wanted === '') throw new Failure('invalid-argument', 'invalid name or ID supplied: ""')
      return engine.containers.require(wanted)
    } catch (error) {
      const code = isFailure(error, 'not-found') ? 'invalid-argument' : isFailure(error) ? error.code : 'unknown'
      throw new Failure(code, `could not get container for ${wanted}: ${messageOf(error)}`, { cause: error })
    }
  }
  let child = require(name)
  for (const seen = new Set<Container>(); !seen.has(child); ) {
    seen.add(child)
    const [, owner] = /^container:(.+)$/.exec(child.record.hostConfig.NetworkMode ?? '') ?? []
    if (owner !== undefined) child = require(owner)
  }
  if (child.record.hostConfig.NetworkMode === 'host')
    throw new Failure(
      'invalid-argument',
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    )
  return child
}

/** At the engine's start: by id, or by the name that another container bears by now. A link to nobody is no more. */
export function restoreLinks(engine: Host): void {
  for (const container of engine.containers.list())
    for (const { alias, id, name } of container.record.links ?? []) {
      const child = engine.containers.get(id) ?? engine.containers.findByName(name)
      if (child === undefined) engine.log.error('a link leads nowhere', { container: container.id, name })
      else engine.containers.links.add(container, alias, child)
    }
}

/** DELETE /containers/{parent}/{alias}?link=1. Throws `unknown` in Docker's words: it calls both its own failure. */
export async function removeLink(engine: Engine, linkName: string): Promise<void> {
  const [parentName = '', ...rest] = linkName.replace(/^\//, '').split('/')
  const alias = rest.join('/')
  if (alias === '') throw new Failure('unknown', 'Conflict, cannot remove the default link name of the container')
  const parent = engine.containers.findByName(parentName)
  if (parent === undefined)
    throw new Failure('unknown', `Cannot get parent /${parentName} for link name /${parentName}/${alias}`)
  await parent.lock.run(() => {
    engine.containers.links.remove(parent, alias)
    parent.record.links = (parent.record.links ?? []).filter((link) => link.alias !== alias)
    parent.save()
    openLinks(engine)
    if (isAlive(parent.state)) writeHostsFile(engine, parent)
  })
}
