// `exec`: a further process in a container.
import { closeSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure, messageOf, withSubject } from '../base/failure.ts'
import { reopenCgroup } from '../linux/cgroup/open-cgroups.ts'
import { O_DIRECTORY, O_PATH } from '../linux/constants.ts'
import { AT_FDCWD } from '../linux/kernel.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { gatherHostFacts } from '../runtime/gather-host-facts.ts'
import { serveSync } from '../runtime/host/serve-sync.ts'
import type { ProcessSpec } from '../oci/runtime-spec.ts'
import { planExec } from '../runtime/plan-exec.ts'
import type { DescribedPlan } from '../runtime/plan-types.ts'
import { readRootfsFacts } from '../runtime/read-rootfs-facts.ts'
import type { Command, Invocation } from './command.ts'
import { statusOf } from './container-status.ts'
import { checkConsole, writePidFile } from './creation-options.ts'
import { readExecProcess } from './exec-process.ts'
import { explainBirth } from './explain-birth.ts'
import { followBirth, requireExecuted, sendWord } from './follow-birth.ts'
import { followProcess } from './follow-process.ts'
import { initProgram } from './init-program.ts'
import { findPassedDescriptors } from './listen-descriptors.ts'
import { sendPidfd } from './send-pidfd.ts'
import { type SpawnedInit, spawnInit } from './spawn-init.ts'
import { type ContainerRecord, loadState } from './state-store.ts'
import { parseSubgroups } from './subgroups.ts'

export const exec: Command = async (invocation) => {
  try {
    return await execProcess(invocation)
  } catch (error) {
    throw withSubject('exec failed', error)
  }
}

async function execProcess(invocation: Invocation): Promise<number> {
  const { settings, options, args } = invocation
  const [id = '', ...argv] = args
  const record = loadState(settings.root, id)
  requireRunning(settings.root, record, options.flag('ignore-paused'))
  const detaches = options.flag('detach')
  const passed = findPassedDescriptors(options, {})
  const spec = readExecProcess(options, argv, record.spec)
  const socket = checkConsole(options.text('console-socket'), spec.terminal === true, detaches)
  const kernel = openNativeKernel()
  const pidfd = kernel.pidfdOpen(record.pid)
  try {
    requireRunning(settings.root, record, options.flag('ignore-paused')) // the descriptor holds the very process that was meant
    const described = plan(invocation, record, spec, { socket, preserved: passed.count })
    for (const warning of described.warnings ?? []) invocation.log.write('warning', warning)
    const request = { program: initProgram(), plan: described.plan, preserved: passed.count, pidfd, keep: !detaches }
    const init = spawnInit(request)
    try {
      return await bear(invocation, record, described, init)
    } finally {
      closeSync(init.channel)
    }
  } finally {
    kernel.close(pidfd)
  }
}

async function bear(
  { settings, options, log }: Invocation,
  record: ContainerRecord,
  described: DescribedPlan,
  init: SpawnedInit,
): Promise<number> {
  const isKept = !options.flag('detach')
  const context = {
    id: record.id,
    spec: record.spec,
    bundle: record.bundle,
    mapper: { isRootless: record.isRootless, euid: 0, egid: 0 },
  }
  try {
    const pid = await followBirth(init, isKept, {
      onCloned: () => {},
      onSync: (request) => serveSync(request, context),
    })
    noteProcess(options.text('pid-file'), options.text('pidfd-socket'), pid)
    sendWord(init.channel, '')
    if (!isKept) {
      requireExecuted(init)
      return 0
    }
    return await followProcess(init)
  } catch (error) {
    log.write('debug', `exec in ${settings.root}/${record.id}: ${messageOf(error)}`)
    throw new Failure('internal', `unable to start container process: ${explainBirth(described, error)}`, {
      cause: error,
    })
  }
}

function noteProcess(pidFile: string | undefined, pidfdSocket: string | undefined, pid: number): void {
  if (pidFile !== undefined && pidFile !== '') writePidFile(resolve(pidFile), pid)
  if (pidfdSocket !== undefined && pidfdSocket !== '') sendPidfd(resolve(pidfdSocket), pid)
}

function requireRunning(root: string, record: ContainerRecord, isPausedFine: boolean): void {
  const status = statusOf(root, record)
  if (status === 'stopped' || status === 'creating')
    throw new Failure('failed-precondition', `cannot exec in a ${status} container`)
  if (status === 'paused' && !isPausedFine)
    throw new Failure('failed-precondition', 'cannot exec in a paused container (use --ignore-paused to override)')
}

function plan(
  { options, settings }: Invocation,
  record: ContainerRecord,
  process: ProcessSpec,
  { socket, preserved }: { socket: string | undefined; preserved: number },
): DescribedPlan {
  const kernel = openNativeKernel()
  const cgroup = record.cgroup === undefined ? undefined : reopenCgroup(record.cgroup)
  const subgroups = parseSubgroups(options.texts('cgroup'))
  const root = kernel.openat2(AT_FDCWD, `/proc/${record.pid}/root`, { flags: O_PATH | O_DIRECTORY })
  try {
    return planExec({
      id: record.id,
      initPid: record.pid,
      spec: record.spec,
      process,
      host: gatherHostFacts(),
      rootfs: readRootfsFacts(kernel, root),
      cgroup: cgroup?.execEntry({ initPid: record.pid, ...(subgroups === undefined ? {} : { subgroups }) }) ?? {
        steps: [],
        directory: undefined,
      },
      stdin: true,
      launch: {
        wait: 'channel',
        preservedDescriptors: preserved,
        rootless: settings.isRootless,
        noNewKeyring: false,
        ...(socket === undefined ? {} : { consoleSocket: resolve(socket) }),
      },
    })
  } finally {
    kernel.close(root)
  }
}
