// The routes of networks.
import type { Engine } from '../engine.ts'
import type { Handlers } from '../http/route.ts'
import { inspectNetwork, listNetworks } from './list-networks.ts'

export function networkHandlers(engine: Engine): Handlers {
  return {
    'GET /networks': (request) => listNetworks(engine, request),
    'GET /networks/{id}': (request) => inspectNetwork(engine, request),
  }
}
