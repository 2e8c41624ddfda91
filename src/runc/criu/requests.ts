// A container and the command line as the requests that criu gets: decisions only.
import { isBindMount } from '../../runtime/container-path.ts'
import type { MountSpec, RuntimeSpec } from '../../oci/runtime-spec.ts'
import { type CriuOptions, type CriuRequest, REQUEST } from './messages.ts'
import { FIRST_EXTRA } from './session.ts'
import type { CheckpointSettings, CriuSettings, RestoreSettings } from './settings.ts'

export const DUMP_LOG = 'dump.log'
export const RESTORE_LOG = 'restore.log'

/** Everything that criu is told. */
const LOG_LEVEL = 4
const DEFAULT_CONFIG = '/etc/criu/runc.conf'
const CONFIG_ANNOTATION = 'org.criu.config'

/** A mount of the container whose other side is the host's. */
export interface ExternalMount {
  /** In the container, without symbolic links. */
  destination: string
  source: string
}

/** Descriptors of directories, which criu reads through /proc. */
export interface CriuDirectories {
  images: number
  work: number | undefined
}

export interface DumpFacts {
  spec: RuntimeSpec
  pid: number
  rootfs: string
  directories: CriuDirectories
  /** Bind mounts, v1 control groups that are bound one by one, device nodes. */
  mounts: readonly ExternalMount[]
  /** Masked paths that are files. */
  maskedFiles: readonly string[]
  /** Network and PID namespaces that are others', by inode. */
  namespaces: readonly { kind: 'net' | 'pid'; inode: bigint }[]
  freezeCgroup: string | undefined
  /** criu takes it as its own to write to; newer versions notify us instead. */
  statusDescriptor: number | undefined
}

export function dumpRequest(settings: CheckpointSettings, facts: DumpFacts): CriuRequest {
  const { preDump, pageServer, parentImages } = settings
  const options: CriuOptions = {
    ...commonOptions(settings, facts.spec, facts.directories),
    logFile: DUMP_LOG,
    root: facts.rootfs,
    pid: facts.pid,
    leaveRunning: settings.leaveRunning,
    tcpSkipInFlight: settings.tcpSkipInFlight,
    linkRemap: settings.linkRemap,
    external: facts.namespaces.map(({ kind, inode }) => `${kind}[${inode}]:${namespaceKey(kind)}`),
    freezeCgroup: facts.freezeCgroup,
    pageServer,
    ...(parentImages === undefined ? {} : { parentImages, trackMemory: true }),
    statusDescriptor: facts.statusDescriptor,
    networkLock: settings.networkLock,
  }
  if (preDump) return { type: REQUEST.preDump, options }
  const externalMounts = [
    ...facts.mounts.map(({ destination }) => ({ key: destination, value: destination })),
    ...facts.maskedFiles.map((path) => ({ key: path, value: '/dev/null' })),
  ]
  return { type: REQUEST.dump, options: { ...options, externalMounts } }
}

export interface RestoreFacts {
  spec: RuntimeSpec
  /** A mount point of its own. */
  root: string
  directories: CriuDirectories
  mounts: readonly ExternalMount[]
  /** Where criu itself is by now: its children begin there. */
  cgroups: readonly { controller: string; path: string }[]
  /** In the order in which they are handed to criu, see FIRST_EXTRA. */
  namespaces: readonly ('net' | 'pid')[]
  joined: readonly { type: string; path: string }[]
  /** The container's three standard streams as they were when it was dumped. */
  descriptors: readonly string[]
}

export function restoreRequest(settings: RestoreSettings, facts: RestoreFacts): CriuRequest {
  const masks =
    (facts.spec.linux?.maskedPaths ?? []).length === 0 ? [] : [{ destination: '/dev/null', source: '/dev/null' }]
  return {
    type: REQUEST.restore,
    options: {
      ...commonOptions(settings, facts.spec, facts.directories),
      logFile: RESTORE_LOG,
      root: facts.root,
      evasiveDevices: true,
      restoreSibling: true, // a child of ours, not of criu's, which ends
      tcpClose: settings.tcpClose || undefined,
      lsmProfile: settings.lsmProfile,
      lsmMountContext: settings.lsmMountContext,
      networkLock: settings.networkLock,
      externalMounts: [...facts.mounts, ...masks].map(({ destination, source }) => ({
        key: destination,
        value: source,
      })),
      cgroupRoots: facts.cgroups,
      joinedNamespaces: facts.joined,
      inherited: [
        ...facts.namespaces.map((kind, index) => ({ key: namespaceKey(kind), descriptor: FIRST_EXTRA + index })),
        ...facts.descriptors.flatMap((key, descriptor) => (key.includes('pipe:') ? [{ key, descriptor }] : [])),
      ],
    },
  }
}

function commonOptions(
  settings: CriuSettings,
  { annotations }: RuntimeSpec,
  directories: CriuDirectories,
): CriuOptions {
  return {
    imagesDirectory: directories.images,
    workDirectory: directories.work,
    logLevel: LOG_LEVEL,
    notifyScripts: true,
    manageCgroups: true,
    manageCgroupsMode: settings.manageCgroupsMode,
    shellJob: settings.shellJob,
    externalUnixSockets: settings.externalUnixSockets,
    tcpEstablished: settings.tcpEstablished,
    fileLocks: settings.fileLocks,
    emptyNamespaces: settings.emptyNamespaces,
    orphanPtsMaster: true,
    autoDedup: settings.autoDedup,
    lazyPages: settings.lazyPages,
    // What is in that file beats what is asked here. An empty annotation means none at all.
    configFile: (annotations?.[CONFIG_ANNOTATION] ?? DEFAULT_CONFIG) || undefined,
  }
}

const namespaceKey = (kind: 'net' | 'pid') => (kind === 'net' ? 'extRootNetNS' : 'extRootPidNS')

/** Whether the container's control groups were bound one by one; a cgroup namespace or v2 has a file system of its own, which criu knows. */
export function bindsCgroups({ linux }: RuntimeSpec, cgroupVersion: 1 | 2): boolean {
  return cgroupVersion === 1 && linux?.namespaces?.some(({ type }) => type === 'cgroup') !== true
}

/** A tmpfs comes back with all that is in it: mount points there are no concern of ours. */
export function isOnTmpfs(destination: string, mounts: readonly MountSpec[]): boolean {
  return mounts.some(
    (mount) => mount.type === 'tmpfs' && !isBindMount(mount) && destination.startsWith(`${mount.destination}/`),
  )
}
