// A bundle compiled for this host.
import { closeSync, openSync } from 'node:fs'
import type { Cgroup } from '../linux/cgroup/cgroup.ts'
import { O_PATH } from '../linux/constants.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
import { gatherHostFacts } from '../runtime/gather-host-facts.ts'
import { planContainer } from '../runtime/plan-container.ts'
import type { DescribedPlan, Launch } from '../runtime/plan-types.ts'
import { readRootfsFacts } from '../runtime/read-rootfs-facts.ts'
import type { GlobalSettings } from './command.ts'
import type { Bundle } from './load-bundle.ts'

export interface PlanRequest {
  id: string
  bundle: Bundle
  settings: GlobalSettings
  launch: Pick<Launch, 'consoleSocket' | 'preservedDescriptors' | 'noPivot' | 'noNewKeyring'>
}

/** Throws Failure('invalid-argument') naming the field. */
export function planBundle(
  { id, bundle, launch, settings }: PlanRequest,
  cgroup: Cgroup | undefined,
  wait: Launch['wait'],
): DescribedPlan {
  const rootfs = openSync(bundle.rootfs, O_PATH)
  try {
    return planContainer({
      id,
      spec: bundle.spec,
      host: gatherHostFacts(),
      rootfs: readRootfsFacts(openNativeKernel(), rootfs, bundle.spec),
      rootfsDirectory: bundle.rootfs,
      cgroup: cgroup?.entry() ?? { steps: [], directory: undefined },
      stdin: true,
      launch: { ...launch, wait, rootfsSource: bundle.rootfs, rootless: settings.isRootless },
    })
  } finally {
    closeSync(rootfs)
  }
}
