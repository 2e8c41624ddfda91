// Events of containers, with the attributes that Docker gives each.
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'
import { networkKind, networkOf } from './network-settings.ts'

export function publishContainerEvent(
  engine: Pick<Engine, 'events'>,
  container: Container,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const { config } = container.record
  engine.events.publish('container', action, {
    ID: container.id,
    Attributes: {
      ...attributes,
      // A label hides an attribute of its name, as in Docker, but not what the container is.
      ...(config.Labels ?? {}),
      ...(config.Image ? { image: config.Image } : {}),
      name: container.name,
    },
  })
}

/** Nothing for a container that shares another's network: it does not come and go. */
export function publishNetworkEvent(
  engine: Pick<Engine, 'events' | 'id' | 'network'>,
  container: Container,
  action: 'connect' | 'disconnect',
): void {
  const network = networkOf(engine, container)
  if (network === undefined || network.id === '') return
  const kind = networkKind(container)
  const { id, name } = network
  const type = kind === 'none' ? 'null' : kind
  engine.events.publish('network', action, { ID: id, Attributes: { container: container.id, name, type } })
}
