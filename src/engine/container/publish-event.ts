// Events of containers, with the attributes that Docker gives each.
import type { Engine } from '../engine.ts'
import type { Container } from './container.ts'

export function publishContainerEvent(
  engine: Pick<Engine, 'events'>,
  container: Container,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const { config } = container.record
  engine.events.publish('container', action, {
    ID: container.id,
    Attributes: { ...(config.Labels ?? {}), ...attributes, image: config.Image ?? '', name: container.name },
  })
}

export function publishNetworkEvent(
  engine: Pick<Engine, 'events' | 'network'>,
  container: Container,
  action: 'connect' | 'disconnect',
): void {
  const { id, name } = engine.network.describe()
  engine.events.publish('network', action, { ID: id, Attributes: { container: container.id, name, type: 'bridge' } })
}
