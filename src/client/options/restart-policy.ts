// `--restart` of create, run and update.
import type { RestartPolicy } from '../../api/container-types.ts'
import { invalid } from './values.ts'

/** `on-failure:3`. Throws in Docker's words. */
export function parseRestartPolicy(policy: string): RestartPolicy {
  if (policy === '') return { Name: '', MaximumRetryCount: 0 }
  const colon = policy.indexOf(':')
  const name = colon < 0 ? policy : policy.slice(0, colon)
  const count = colon < 0 ? '' : policy.slice(colon + 1)
  if (colon === 0) throw invalid('invalid restart policy format: no policy provided before colon')
  if (count !== '' && !/^[+-]?\d+$/.test(count))
    throw invalid('invalid restart policy format: maximum retry count must be an integer')
  return { Name: name, MaximumRetryCount: Number(count) }
}
