// The original ctr (1.6, Debian's) drives an original containerd and ours: every verb, the same to be seen of both.
import { describeWalks } from '../harness/ctr-walks.ts'
import { skipWithout } from '../harness/runtime.ts'
import { WALKS } from './containerd-ctr-lines.ts'

describeWalks({
  title: 'ctr 1.6',
  skip: skipWithout('containerd', 'ctr', 'runc', 'docker-registry'),
  programs: async () => ({ containerd: 'containerd', ctr: 'ctr' }),
  walks: WALKS,
  env: { L: '' },
  differences: [],
})
