// Where berth-registry can be told to die, fail or wait: at each step of a push and of a collection that a crash may come between.
// `test/integration/registry-crash.test.ts` kills it at every one of them; `file.` and `blob.` are steps of a directory, `object.` and
// `multipart.` those of a bucket.
import { openFailpoints } from '../../base/failpoint.ts'

export const FAILPOINTS = [
  'upload.created',
  'upload.appended',
  'upload.verified',
  'upload.promoted',
  'upload.linked',
  'upload.held',
  'upload.removed',
  'manifest.checked',
  'manifest.written',
  'manifest.linked',
  'manifest.held',
  'manifest.tagged',
  'file.written',
  'blob.synced',
  'blob.named',
  'object.written',
  'object.copied',
  'object.removed',
  'multipart.begun',
  'multipart.part',
  'multipart.completed',
  'collect.marked',
  'collect.condemned',
  'collect.claimed',
  'collect.unlinked',
  'collect.removed',
  'collect.released',
] as const

/** `BERTH_FAILPOINTS`, in the grammar of base/failpoint.ts; read once. */
export const failpoint = openFailpoints(FAILPOINTS, process.env['BERTH_FAILPOINTS'])
