// ctr of containerd 2.x drives a containerd 2.x and ours.
import { describeWalks } from '../harness/ctr-walks.ts'
import { containerdTwo, skipWithoutContainerdTwo } from '../harness/containerd-two.ts'
import { ctrTwo } from '../harness/ctr-two.ts'
import { skipWithout } from '../harness/runtime.ts'
import { SANDBOXES, WALKS } from './containerd-ctr-lines.ts'

describeWalks({
  title: 'ctr 2.x',
  skip: skipWithout('containerd-shim-runc-v2', 'runc', 'docker-registry') || (await skipWithoutContainerdTwo()),
  programs: async () => ({ containerd: await containerdTwo(), ctr: await ctrTwo() }),
  walks: { ...WALKS, sandboxes: SANDBOXES },
  env: { L: '--local', CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS: 'true' },
  differences: [
    {
      reason: 'the word of a code that says nothing, which users of Docker know',
      pattern: /: unknown$/gm,
      as: '',
    },
    {
      reason: 'a mount that the service of mounts, which ours does not have, still holds',
      pattern: /^ctr: activate error: mount "[^"]*": already exists\n/gm,
      as: '',
    },
  ],
})
