// Where containers are kept apart (`"icc": false`) a link opens the ports that the other container exposes, to the one that is linked to it.
import { messageOf } from '../../../base/failure.ts'
import type { EndpointPassage, PortProtocol } from '../../../network/network.ts'
import type { Engine } from '../../engine.ts'
import type { Container } from '../container.ts'
import type { LinkIndex } from './link-index.ts'

const PROTOCOLS: readonly PortProtocol[] = ['tcp', 'udp', 'sctp']

/** As links and addresses are now: called wherever one of them has changed. A start does not fail for it; nothing is open then. */
export function openLinks(engine: Engine): void {
  if (engine.config.interContainerCommunication) return
  const { containers } = engine
  try {
    engine.network.setPassages(findPassages(containers.list(), containers.links))
  } catch (error) {
    engine.log.error('links could not be opened', { error: messageOf(error) })
  }
}

/** Each once, whatever the number of aliases. Pure. */
export function findPassages(
  containers: readonly Container[],
  links: Pick<LinkIndex, 'childrenOf'>,
): EndpointPassage[] {
  const isConnected = ({ record }: Container) => record.endpoint !== undefined
  return containers.filter(isConnected).flatMap((parent) =>
    [...new Set(links.childrenOf(parent).values())].filter(isConnected).flatMap((child) =>
      Object.keys(child.record.config.ExposedPorts ?? {}).flatMap((text): EndpointPassage[] => {
        const [, port = '', name = 'tcp'] = /^(\d{1,5})(?:\/(\w+))?$/.exec(text) ?? []
        const protocol = PROTOCOLS.find((known) => known === name.toLowerCase())
        if (protocol === undefined || Number(port) < 1 || Number(port) > 0xffff) return []
        return [{ from: parent.id, to: child.id, protocol, port: Number(port) }]
      }),
    ),
  )
}
