// `plan`: the steps by which a bundle would be started here, in sentences; nothing is made.
import { resolve } from 'node:path'
import { openCgroup } from '../linux/cgroup/open-cgroups.ts'
import { formatPlan } from '../runtime/format-plan.ts'
import type { Command } from './command.ts'
import { loadBundle } from './load-bundle.ts'
import { print } from './output.ts'
import { planBundle } from './plan-bundle.ts'

const ID = 'planned'

export const plan: Command = async ({ settings, options, args }) => {
  const bundle = loadBundle(options, args[0])
  const { linux, annotations } = bundle.spec
  const cgroup =
    settings.cgroupManager === 'disabled'
      ? undefined
      : await openCgroup({
          cgroupsPath: linux?.cgroupsPath,
          id: ID,
          systemd: settings.usesSystemdCgroup,
          rootless: settings.isRootless,
          ...(annotations === undefined ? {} : { annotations }),
        })
  const launch = { preservedDescriptors: 0, noPivot: false, noNewKeyring: false }
  const directory = resolve(settings.root, ID)
  const wait = { fifo: `${directory}/exec.fifo`, status: `${directory}/exec.status` }
  print(formatPlan(planBundle({ id: ID, bundle, launch, settings }, cgroup, wait)))
  return 0
}
