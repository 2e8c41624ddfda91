// Whom a container is linked to, as its start, its execs and its hosts file need to know. Links work in the default bridge network only.
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { Failure, messageOf } from '../../../base/failure.ts'
import { type HostsEntry, replaceHostsAddress } from '../../../network/hosts-file.ts'
import type { Engine } from '../../engine.ts'
import type { Container } from '../container.ts'
import { countsAsRunning } from '../container-state.ts'
import { networkKind } from '../network-settings.ts'
import { hostsPath } from '../paths.ts'
import { linkVariables } from './link-variables.ts'

type Host = Pick<Engine, 'containers'>

/** For its environment. Throws `unknown`, as Docker does, where one of them does not run or is in no network. */
export function variablesOfLinked(engine: Host, container: Container): string[] {
  return linksOf(engine, container).flatMap(({ alias, name, child }) => {
    if (!countsAsRunning(child.state) || child.isGone)
      throw new Failure('unknown', `Cannot link to a non running container: /${child.name} AS ${name}`)
    if (networkKind(child) !== 'bridge')
      throw new Failure('unknown', `container ${child.id} not attached to default bridge network`)
    const { config, endpoint } = child.record
    const exposedPorts = Object.keys(config.ExposedPorts ?? {})
    return linkVariables({ alias, name, address: endpoint?.address ?? '', env: config.Env ?? [], exposedPorts })
  })
}

/** By the alias, by what it calls itself, and by its name. */
export function hostsOfLinked(engine: Host, container: Container): HostsEntry[] {
  return linksOf(engine, container).flatMap(({ alias, child }) => {
    const { config, endpoint } = child.record
    const short = lastPart(alias)
    const names = [short, config.Hostname ?? '', ...(short === child.name ? [] : [child.name])]
    return endpoint === undefined ? [] : [{ address: endpoint.address, names }]
  })
}

function linksOf(engine: Host, container: Container): { alias: string; name: string; child: Container }[] {
  const links = engine.containers.links.childrenOf(container)
  if (links.size === 0 || networkKind(container) !== 'bridge') return []
  return [...links].map(([alias, child]) => ({ alias, name: `/${container.name}/${alias}`, child }))
}

const HOSTS_BYTES_MAX = 1 << 20

/** A container has another address than before: in the hosts files of those that are linked to it, what is there besides stays as their users left it. */
export function tellParents(engine: Pick<Engine, 'containers' | 'log'>, container: Container): void {
  const { endpoint } = container.record
  if (endpoint === undefined) return
  for (const { parent, alias } of engine.containers.links.parentsOf(container)) {
    const path = hostsPath(parent)
    try {
      // It is the parent's to write, and may have grown without end.
      const { size = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {}
      if (size === 0 || size > HOSTS_BYTES_MAX) continue
      writeFileSync(path, replaceHostsAddress(readFileSync(path, 'utf8'), lastPart(alias), endpoint.address))
    } catch (error) {
      engine.log.warn('a linked address could not be told', { container: parent.id, error: messageOf(error) })
    }
  }
}

function lastPart(alias: string): string {
  return alias.slice(alias.lastIndexOf('/') + 1)
}
