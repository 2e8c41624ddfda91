// `--link name:alias`, as the API has it in `HostConfig.Links`.
import { posix } from 'node:path'
import { Failure } from '../../../base/failure.ts'

export interface LinkRequest {
  /** Of the container that is linked to, or its id. */
  name: string
  /** May hold slashes, but leads nowhere; '' links to nobody. */
  alias: string
}

/** Also takes what inspect shows, `/name:/parent/alias`. Throws `unknown`: dockerd calls it its own failure. */
export function parseLink(text: string): LinkRequest {
  if (text === '') throw new Failure('unknown', 'empty string specified for links')
  const [first = '', second = first, ...others] = text.split(':')
  if (others.length > 0) throw new Failure('unknown', `bad format for links: ${text}`)
  const isShown = first.startsWith('/') && text !== first
  const alias = isShown ? second.slice(second.lastIndexOf('/') + 1) : second
  return { name: isShown ? first.slice(1) : first, alias: posix.join('/', alias).slice(1) }
}
