// /etc/hostname, /etc/hosts and /etc/resolv.conf of a container, written before each start.
// They are changed in place: the container has them mounted one by one.
import { chownSync, writeFileSync } from 'node:fs'
import { hostname as hostHostname } from 'node:os'
import { readTextIfExists } from '../../base/atomic-file.ts'
import { formatHostNetworkHostsFile, formatHostnameFile, formatHostsFile } from '../../network/hosts-file.ts'
import { containerResolvConf, hostResolvConf } from '../../network/resolv-conf.ts'
import type { Engine } from '../engine.ts'
import { rootOf } from '../userns/map-of-container.ts'
import type { Container } from './container.ts'
import { hostsOfLinked } from './links/linked-containers.ts'
import { networkKind } from './network-settings.ts'
import { hostnamePath, hostsPath, resolvConfPath } from './paths.ts'

const FILE_MODE = 0o644

export function writeNetworkFiles(engine: Engine, container: Container): void {
  writeFileSync(hostnamePath(container), formatHostnameFile(hostnameOf(container)), { mode: FILE_MODE })
  writeHostsFile(engine, container)
  writeFileSync(resolvConfPath(container), resolvConf(engine, container), { mode: FILE_MODE })
  const owner = rootOf(engine, container)
  if (owner === undefined) return
  for (const path of [hostnamePath(container), hostsPath(container), resolvConfPath(container)])
    chownSync(path, owner.uid, owner.gid)
}

/** Again when the container has got an address. */
export function writeHostsFile(engine: Engine, container: Container): void {
  const { config, hostConfig, endpoint } = container.record
  const kind = networkKind(container)
  const extra = { extraHosts: hostConfig.ExtraHosts ?? [], hostGateways: hostGateways(engine) }
  const hosts =
    kind === 'host'
      ? formatHostNetworkHostsFile(readTextIfExists('/etc/hosts') ?? '', extra)
      : formatHostsFile({
          hostname: hostnameOf(container),
          domainname: config.Domainname ?? '',
          addresses: endpoint === undefined ? [] : [endpoint.address],
          linked: hostsOfLinked(engine, container),
          ...extra,
        })
  writeFileSync(hostsPath(container), hosts, { mode: FILE_MODE })
}

function hostGateways({ config, network }: Engine): string[] {
  if (config.hostGatewayAddresses.length > 0) return config.hostGatewayAddresses
  const bridge = network.describe()
  return bridge === undefined ? [] : [bridge.gateway]
}

function hostnameOf(container: Container): string {
  return networkKind(container) === 'host' ? hostHostname() : (container.record.config.Hostname ?? '')
}

function resolvConf(engine: Engine, container: Container): string {
  const { hostConfig } = container.record
  const own = engine.config.resolvConf
  const host = own === '' ? hostResolvConf(readTextIfExists) : (readTextIfExists(own) ?? '')
  const overrides = {
    nameservers: chosen(hostConfig.Dns, engine.config.dns),
    searches: chosen(hostConfig.DnsSearch, engine.config.dnsSearch),
    options: chosen(hostConfig.DnsOptions, engine.config.dnsOptions),
  }
  const isOverridden = Object.values(overrides).some((list) => list.length > 0)
  if (networkKind(container) === 'host' && !isOverridden) return host
  return containerResolvConf(host, overrides)
}

function chosen(own: readonly string[] | null | undefined, fallback: readonly string[]): readonly string[] {
  return own && own.length > 0 ? own : fallback
}
