// Runs what planContainer and planExec compile, under berth-init, with the spawner's part done by hand.
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { O_PATH } from '../../src/linux/constants.ts'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { SYNC } from '../../src/linux/steps.ts'
import type { IdMapping, ProcessSpec, RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { explainStepFailure } from '../../src/runtime/explain-step-failure.ts'
import { gatherHostFacts } from '../../src/runtime/gather-host-facts.ts'
import { checkRuntimeSpec } from '../../src/runtime/parse-runtime-spec.ts'
import { planContainer } from '../../src/runtime/plan-container.ts'
import { planExec } from '../../src/runtime/plan-exec.ts'
import type { DescribedPlan, Launch } from '../../src/runtime/plan-types.ts'
import { readRootfsFacts } from '../../src/runtime/read-rootfs-facts.ts'
import { InitBench, type InitOptions, type InitRun, MESSAGE } from './init-bench.ts'

const kernel = openNativeKernel()
export const HOST = gatherHostFacts()

export const MAPPED_ROOT = 100_000
export const MAPPINGS: IdMapping[] = [{ containerID: 0, hostID: MAPPED_ROOT, size: 65_536 }]

/** As `runc spec` writes it, as far as the kernel goes; a shell runs `script`. */
export function plainSpec(script: string): RuntimeSpec {
  const capabilities = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE']
  return checkRuntimeSpec({
    ociVersion: '1.2.0',
    process: {
      cwd: '/',
      args: ['sh', '-c', script],
      env: ['PATH=/bin:/usr/bin:/sbin:/usr/sbin', 'HOME=/root'],
      user: { uid: 0, gid: 0 },
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'plan',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755'] },
      { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
    ],
    linux: {
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      maskedPaths: ['/proc/kcore', '/proc/keys', '/sys/firmware'],
      readonlyPaths: ['/proc/sys', '/proc/bus'],
    },
  })
}

/** The spec with a user namespace of its own. */
export function withUserNamespace(spec: RuntimeSpec, mappings = MAPPINGS): RuntimeSpec {
  spec.linux!.namespaces!.push({ type: 'user' })
  return Object.assign(spec, { linux: { ...spec.linux, uidMappings: mappings, gidMappings: mappings } })
}

export interface PlanOptions {
  launch?: Partial<Launch>
  init?: InitOptions
  /** What to do at a sync point, besides writing the maps at SYNC.identity. */
  onSync?: (point: number, pid: number) => void
  /** The state that hooks get. */
  state?: string
  rootfs?: string
}

export class PlanBench extends InitBench {
  /** Up to `created`. A failed step is thrown as the caller of a runtime would read it. */
  async create(spec: RuntimeSpec, options: PlanOptions = {}): Promise<InitRun> {
    const rootfs = options.rootfs ?? this.rootfs
    const described = this.plan(spec, rootfs, options.launch ?? {})
    const run = await this.run(described.plan.steps, described.plan, options.init)
    await this.#follow(run, described, spec, options)
    return run
  }

  /** To the end; what it printed. */
  async output(spec: RuntimeSpec, options: PlanOptions = {}): Promise<string> {
    const run = await this.create(spec, options)
    run.proceed(options.state)
    const { output } = await run.end()
    return output
  }

  /** A further process in the container whose first one is `first`. */
  async exec(
    spec: RuntimeSpec,
    first: InitRun,
    process: Partial<ProcessSpec>,
    { launch = {}, init = {} }: Pick<PlanOptions, 'launch' | 'init'> = {},
  ): Promise<string> {
    const described = planExec({
      spec,
      process: { ...spec.process!, ...process },
      host: HOST,
      rootfs: { passwd: undefined, group: undefined },
      cgroup: { steps: [], directory: undefined },
      stdin: true,
      id: `plan-${globalThis.process.pid}`,
      initPid: first.pid,
      launch: { wait: 'channel', preservedDescriptors: 0, rootless: false, noNewKeyring: false, ...launch },
    })
    const pidfd = kernel.pidfdOpen(first.pid)
    const run = await this.run(described.plan.steps, described.plan, { ...init, pidfd })
    kernel.close(pidfd)
    await this.#follow(run, described, spec, {})
    run.proceed()
    return (await run.end()).output
  }

  plan(spec: RuntimeSpec, rootfs: string, launch: Partial<Launch>): DescribedPlan {
    const root = openSync(rootfs, O_PATH)
    try {
      return planContainer({
        id: `plan-${process.pid}`,
        spec,
        host: HOST,
        rootfs: readRootfsFacts(kernel, root, spec),
        rootfsDirectory: rootfs,
        cgroup: { steps: [], directory: undefined, hierarchies: [] },
        stdin: true,
        launch: {
          wait: 'channel',
          preservedDescriptors: 0,
          rootfsSource: rootfs,
          rootless: false,
          noPivot: false,
          noNewKeyring: false,
          ...launch,
        },
      })
    } finally {
      closeSync(root)
    }
  }

  async #follow(run: InitRun, described: DescribedPlan, spec: RuntimeSpec, options: PlanOptions): Promise<void> {
    for (;;) {
      const message = await run.next()
      if (message?.kind === MESSAGE.created) return
      if (message?.kind === MESSAGE.sync) {
        if (message.step === SYNC.identity) writeMaps(run.pid, spec, options.launch?.rootless === true)
        options.onSync?.(message.step, run.pid)
        run.proceed(options.state)
      } else if (message === undefined || message.kind === MESSAGE.failed) {
        const step = message?.step
        const explained = explainStepFailure(described, { step, errno: message?.error ?? 0 })
        throw Object.assign(explained, { op: step === undefined ? undefined : described.plan.steps[step] })
      }
    }
  }

  /** A directory of the bench, world-readable or as `mode` says. */
  directoryOf(name: string, mode = 0o755): string {
    const path = this.path(name)
    mkdirSync(path, { mode })
    return path
  }

  remove(path: string): void {
    if (existsSync(path)) rmSync(path, { recursive: true, force: true })
  }

  join(name: string): string {
    return join(this.directory, name)
  }
}

function writeMaps(pid: number, { linux }: RuntimeSpec, isRootless: boolean): void {
  const lines = (mappings: readonly IdMapping[] = []) =>
    mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join('')
  if (isRootless) writeFileSync(`/proc/${pid}/setgroups`, 'deny')
  writeFileSync(`/proc/${pid}/uid_map`, lines(linux?.uidMappings))
  writeFileSync(`/proc/${pid}/gid_map`, lines(linux?.gidMappings))
}
