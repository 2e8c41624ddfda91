// A container's processes into image files. criu does it; what of the container is whose, it learns from here.
import { closeSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, messageOf } from '../base/failure.ts'
import type { Cgroup } from '../linux/cgroup/cgroup.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import type { RuntimeSpec } from '../oci/runtime-spec.ts'
import { clearParentDeath } from './criu/clear-parent-death.ts'
import { type Criu, requireExternalNamespace, requireFeatures } from './criu/criu-program.ts'
import { quoteCriuErrors } from './criu/criu-log.ts'
import { openDirectories } from './criu/directories.ts'
import { findExternalMounts, findMaskedFiles } from './criu/external-mounts.ts'
import { DUMP_LOG, dumpRequest } from './criu/requests.ts'
import { CriuSession } from './criu/session.ts'
import type { CheckpointSettings } from './criu/settings.ts'
import { requireWritable } from './criu/status-descriptor.ts'
import type { RuntimeLog } from './runtime-log.ts'
import type { ContainerRecord } from './state-store.ts'

export interface CheckpointRequest {
  criu: Criu
  log: RuntimeLog
  record: ContainerRecord
  settings: CheckpointSettings
}

/** criu 3.14 freezes by v2 groups, 3.15 notifies when pages can be asked for. */
const FREEZES_V2 = 31400
const NOTIFIES_STATUS = 31500
/** What the container's standard streams were: a restore puts its own in their place. */
export const DESCRIPTORS_FILE = 'descriptors.json'

/** The processes have ended when it resolves, unless they were to go on. The caller holds the container's lock. Throws Failure in runc's words. */
export async function checkpointContainer(request: CheckpointRequest): Promise<void> {
  const { criu, log, record, settings } = request
  if (settings.preDump) await requireFeatures(criu, { memoryTracking: true })
  if (settings.lazyPages) await requireFeatures(criu, { lazyPages: true })
  const status = settings.lazyPages ? settings.statusDescriptor : undefined
  if (status !== undefined) requireWritable(status)
  const notifiesStatus = criu.version >= NOTIFIES_STATUS

  const cgroup = record.cgroup === undefined ? undefined : reopenCgroup(record.cgroup)
  using directories = openDirectories(settings)
  const facts = {
    spec: record.spec,
    pid: record.pid,
    rootfs: record.rootfs,
    directories,
    mounts: findExternalMounts(record.spec, record.rootfs, cgroup),
    maskedFiles: findMaskedFiles(record.spec, record.pid),
    namespaces: findExternalNamespaces(criu, record.spec),
    freezeCgroup: freezerOf(criu, cgroup),
    statusDescriptor: notifiesStatus ? undefined : status,
  }
  if (!settings.preDump)
    writeFileSync(join(settings.imagesDirectory, DESCRIPTORS_FILE), JSON.stringify(record.criuExternals), {
      mode: 0o600,
    })
  const logPath = join(settings.workDirectory ?? settings.imagesDirectory, DUMP_LOG)
  const pidInside = pidInNamespace(record.pid)
  try {
    using session = CriuSession.start(criu.program, { usesOurStreams: false })
    await session.ask(dumpRequest(settings, facts), ({ script }) => {
      log.write('debug', `notify: ${script}`)
      if (script === 'status-ready' && status !== undefined && notifiesStatus) tellReady(status, log)
      return undefined
    })
    const code = session.finish()
    // After a pre-dump criu would wait for the dump itself, and takes it for a failure that none comes.
    if (code !== 0 && !settings.preDump) throw new Failure('internal', `criu failed: exit status ${code}`)
    if (!settings.preDump) clearParentDeath(settings.imagesDirectory, pidInside)
  } catch (error) {
    quoteCriuErrors(log, logPath)
    throw new Failure('internal', `${messageOf(error)}\nlog file: ${logPath}`, { cause: error })
  }
}

/** Its own number for itself: the last of those that it has, one a namespace. */
function pidInNamespace(pid: number): number {
  const [, numbers = ''] = /^NSpid:\s+(.+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(numbers.split('\t').at(-1))
}

/** Those that are not the container's own: they are there when it comes back. */
function findExternalNamespaces(criu: Criu, { linux }: RuntimeSpec): { kind: 'net' | 'pid'; inode: bigint }[] {
  return (linux?.namespaces ?? []).flatMap(({ type, path }) => {
    if (!path || (type !== 'network' && type !== 'pid')) return []
    const kind = type === 'network' ? 'net' : 'pid'
    requireExternalNamespace(criu, kind, 'during checkpointing process')
    return [{ kind, inode: statSync(path, { bigint: true }).ino }] as const
  })
}

/** Without one criu stops each process by ptrace. */
function freezerOf(criu: Criu, cgroup: Cgroup | undefined): string | undefined {
  if (cgroup === undefined) return undefined
  const { paths } = cgroup.describe()
  if (cgroup.version === 1) return paths['freezer']
  return criu.version >= FREEZES_V2 ? paths[''] : undefined
}

/** Whoever waits for the pages reads a zero byte, then the end. */
function tellReady(status: number, log: RuntimeLog): void {
  try {
    writeSync(status, Buffer.alloc(1))
    closeSync(status)
  } catch (error) {
    log.write('warning', `can't write \\0 to status fd: ${messageOf(error)}`)
  }
}
