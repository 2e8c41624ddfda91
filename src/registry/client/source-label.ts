// Which repositories a blob came from: a registry that has it in one of them need not be sent it again.
import type { Reference } from '../../oci/reference.ts'
import { hostName } from '../upstream/host-name.ts'

export const SOURCE_LABEL = 'containerd.io/distribution.source.'
const LABEL_BYTES_MAX = 4096

/** The label with this repository added; undefined where it would become too long. */
export function sourceLabel(
  labels: Readonly<Record<string, string>>,
  { domain, path }: Reference,
): { name: string; value: string } | undefined {
  const name = SOURCE_LABEL + hostName(domain)
  const known = (labels[name] ?? '').split(',').filter(Boolean)
  const value = [...new Set([...known, path])].sort().join(',')
  return name.length + value.length > LABEL_BYTES_MAX ? undefined : { name, value }
}

/** The repository of the same registry that has most of its path in common with the target's. */
export function mountCandidate(
  labels: Readonly<Record<string, string>>,
  { domain, path }: Reference,
): string | undefined {
  const repositories = (labels[SOURCE_LABEL + hostName(domain)] ?? '')
    .split(',')
    .filter((name) => name !== '' && name !== path)
  const target = path.split('/')
  const inCommon = (name: string) => {
    const parts = name.split('/')
    const end = parts.findIndex((part, index) => part !== target[index])
    return end < 0 ? parts.length : end
  }
  let best: string | undefined
  for (const name of repositories) if (best === undefined || inCommon(name) >= inCommon(best)) best = name
  return best
}
