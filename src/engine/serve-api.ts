// The API on every address that the settings name.
import type { Server } from 'node:http'
import type { Log } from '../base/log.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { openAuthorization } from './authz/authorize-request.ts'
import type { EngineConfig } from './config.ts'
import type { ActivatedSockets } from './http/activated-sockets.ts'
import { listenOn } from './http/listen.ts'
import { parseListenAddress } from './http/listen-address.ts'
import { openPeerLookup } from './http/peer.ts'
import type { Handlers } from './http/route.ts'
import { createApiServer } from './http/server.ts'
import type { PluginRegistry } from './plugin/plugin-registry.ts'
import { loadTlsOptions } from './http/tls-context.ts'

export interface ServedApi {
  /** Listeners go at once, and with them the sockets' files; clients that still wait see their connections end. */
  close(): void
}

/** Throws Failure, and closes what it opened then. */
export async function serveApi(options: {
  config: EngineConfig
  handlers: Handlers
  plugins: PluginRegistry
  activated: ActivatedSockets
  log: Log
}): Promise<ServedApi> {
  const { config, handlers, plugins, activated, log } = options
  const guard = openAuthorization({ plugins, names: () => config.authorizationPlugins, log })
  const tls = loadTlsOptions(config.tls)
  const { minApiVersion, isExperimental, group } = config
  const originOf = openPeerLookup(openNativeKernel())
  const makeServer = (isTls: boolean) =>
    createApiServer({ handlers, log, guard, originOf, minApiVersion, isExperimental, tls: isTls ? tls : undefined })
  const servers: Server[] = []
  const close = () => {
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
  }
  try {
    for (const host of config.hosts) {
      const address = parseListenAddress(host)
      servers.push(...(await listenOn(address, { makeServer, isTls: tls !== undefined, group, activated, log })))
    }
  } catch (error) {
    close()
    throw error
  }
  return { close }
}
