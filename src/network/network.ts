// What the engine asks of networking. Told what to connect; never asks what a container is. Implementation: bridge-network.ts.

export type PortProtocol = 'tcp' | 'udp' | 'sctp'

/** A port to publish. `hostPort` 0: the next free one of the ephemeral range. */
export interface PublishRequest {
  protocol: PortProtocol
  containerPort: number
  /** '' means every address. */
  hostIp: string
  hostPort: number
  /** Inclusive end where a range of host ports may be used; otherwise equal to hostPort. */
  hostPortEnd: number
}

export interface PublishedPort {
  protocol: PortProtocol
  containerPort: number
  hostIp: string
  hostPort: number
}

export interface EndpointRequest {
  /** Unique among endpoints, e.g. the container's id. */
  key: string
  /** For error texts, as Docker prints them: `driver failed programming external connectivity on endpoint <name> (<id>)`. */
  name: string
  /** A network namespace file made by `createNetns`. */
  netnsPath: string
  ports: readonly PublishRequest[]
  macAddress: string | undefined
  sysctls: Readonly<Record<string, string>>
}

/** An interface `eth0` inside the namespace, up, with address, default route and published ports. */
export interface Endpoint {
  key: string
  endpointId: string
  interfaceName: string
  hostInterface: string
  address: string
  prefixLength: number
  gateway: string
  macAddress: string
  ports: readonly PublishedPort[]
}

/** A port that one endpoint may use of another, both by their keys. */
export interface EndpointPassage {
  from: string
  to: string
  protocol: PortProtocol
  port: number
}

export interface NetworkDescription {
  id: string
  name: string
  bridge: string
  subnet: string
  gateway: string
  createdAt: string
}

export interface Network {
  /** Since when, ISO 8601. */
  readonly createdAt: string
  /** Undefined: there is no bridge network here, and nothing can be attached. */
  describe(): NetworkDescription | undefined
  /** All or nothing. Throws Failure: conflict-like port errors carry Docker's words. */
  attach(request: EndpointRequest): Promise<Endpoint>
  /** Unpublishes, frees the address, removes the veth without waiting for the kernel's RCU. Unknown keys are no error. */
  detach(key: string): Promise<void>
  endpoints(): readonly Endpoint[]
  /** Exactly these are open between endpoints that may not talk to each other otherwise; without effect where they may. Who is not there is left out. */
  setPassages(passages: readonly EndpointPassage[]): void
  /** After a restart: keeps what belongs to `live` keys (ports listen again), removes every other trace of ours from the kernel. */
  reconcile(live: ReadonlySet<string>): Promise<void>
  /** Takes down nothing that containers use; closes sockets of this process. */
  close(): Promise<void>
  /** Removes bridge, table and state; for `none of ours is left` after an engine that is to go for good. */
  destroy(): Promise<void>
}

export interface NetworkOptions {
  /** Directory of this network's records, on disk. */
  stateDirectory: string
  /** Name of the bridge; undefined: derived from `instance`. `openWithoutBridge` is for none. */
  bridge: string | undefined
  /** CIDR of the gateway, daemon.json `bip`; undefined: first free pool. */
  bip: string | undefined
  /** Distinguishes engines on one host: names of bridge, nft table and veths derive from it. */
  instance: string
  mtu: number
  iptables: boolean
  ipForward: boolean
  ipMasq: boolean
  interContainerCommunication: boolean
  defaultPublishAddress: string
}

/** Network namespaces as files (bind mounts of nsfs) that outlive their makers; loopback is up. Both are idempotent. */
export interface NetnsStore {
  create(path: string, sysctls?: Readonly<Record<string, string>>): Promise<void>
  /** Gives the namespace of another's making a file: `source` leads to it. As it would be, had it been made here. */
  adopt(path: string, source: string): Promise<void>
  remove(path: string): Promise<void>
  /** Lets go of what this process holds; the files stay. */
  close(): void
}
