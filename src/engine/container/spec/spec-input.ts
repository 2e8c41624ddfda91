// What a runtime spec is made of: everything that has to be looked up has been looked up, so that making it is pure.
import type { ContainerConfig, HostConfig } from '../../../api/container-types.ts'
import type { IdMap } from '../../userns/id-map.ts'
import type { ResolvedUser } from './resolve-user.ts'

/** A device node of the host. */
export interface HostDevice {
  path: string
  type: 'c' | 'b'
  major: number
  minor: number
  /** Permission bits. */
  mode: number
  uid: number
  gid: number
}

/** The machine and what the daemon may do on it; gathered once. */
export interface SpecHost {
  arch: 'x86_64' | 'aarch64'
  kernel: { major: number; minor: number }
  cgroupVersion: 1 | 2
  /** Names of the capabilities that the daemon can hand on. */
  capabilities: readonly string[]
  hostname: string
  hasSeccomp: boolean
  /** The kernel's, of whose profiles containers have one; left out: it has none. */
  hasAppArmor?: boolean
  /** Paths of /sys that show other tenants' CPU timing, of those that exist. */
  maskedSystemPaths: readonly string[]
  /** Whether /dev/mqueue is there. */
  hasMqueue: boolean
  /** The node at the path, or all nodes below it if it is a directory; empty if there is nothing. Privileged asks for `/dev`. */
  findDevices(path: string): HostDevice[]
}

/** The settings of the daemon that reach into a spec. */
export interface SpecDefaults {
  /** Of `--cgroup-parent`; empty means `/docker`. */
  cgroupParent: string
  noNewPrivileges: boolean
  init: boolean
  /** Of docker-init; undefined where it isn't installed. */
  initPath: string | undefined
  ulimits: Readonly<Record<string, { name: string; soft: number; hard: number }>>
  /** For containers that name no profile of their own; left out: the built-in one. */
  seccomp?: 'builtin' | 'unconfined' | { profile: string }
  /** Left out: we make the groups ourselves. */
  cgroupDriver?: 'cgroupfs' | 'systemd'
}

export type SpecMount =
  | {
      kind: 'bind'
      source: string
      destination: string
      options: readonly string[]
      /** What it needs of the root file system's propagation. */
      rootPropagation?: 'shared' | 'rslave'
    }
  | { kind: 'tmpfs'; destination: string; options: readonly string[] }

export interface SpecInput {
  id: string
  /** The container's, after the image's has been merged in. */
  config: ContainerConfig
  hostConfig: HostConfig
  user: ResolvedUser
  /** Resolved groups of `--group-add`. */
  addedGroups: readonly number[]
  rootfsPath: string
  /** Files on the host that are bound over the image's; those that are absent are not. */
  files: { resolvConf?: string; hostname?: string; hosts?: string }
  /** What the user has mounted, apart from `--tmpfs`; sources are there. */
  mounts: readonly SpecMount[]
  /** Of containers that this one is linked to; its own count more. */
  linkVariables?: readonly string[]
  network: { kind: 'host' } | { kind: 'path'; path: string } | { kind: 'new' }
  /** Left out: the host's users. `path` leads to a namespace that the container shares. */
  users?: { kind: 'new'; map: IdMap } | { kind: 'path'; map: IdMap; path: string }
  /** Of `container:` modes: the other container's process. */
  pidOf?: { pid?: number; ipc?: number }
  /** What /dev/shm is for the ipc modes that share it; a shareable container without one gets a tmpfs of its own. */
  shmPath?: string
  host: SpecHost
  defaults: SpecDefaults
}
