// `proxy`: one registry for every name, as the original has it, or several, each below a name of its own (ours).
import { parseRepositoryName } from '../names.ts'
import type { UpstreamSettings } from '../proxy/upstreams.ts'
import type { Section } from './section.ts'

export function parseProxy(proxy: Section): UpstreamSettings[] {
  const several = proxy.sections('upstreams').map((section) => {
    const name = section.requiredText('name')
    if (parseRepositoryName(name) === undefined) throw section.wrong('name', 'a repository’s name')
    return parseUpstream(section, name)
  })
  if (proxy.has('remoteurl')) {
    if (several.length > 0) throw proxy.wrong('remoteurl', 'left out beside upstreams')
    return [parseUpstream(proxy, '')]
  }
  return several
}

function parseUpstream(section: Section, name: string): UpstreamSettings {
  const url = section.requiredText('remoteurl')
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) throw section.wrong('remoteurl', 'an http or https address')
  const [username, password] = [section.text('username'), section.text('password')]
  // What is fetched stays until its manifest is deleted and the collector comes.
  if ((section.duration('ttl') ?? 0) !== 0) throw section.wrong('ttl', '0: what is fetched does not expire here')
  return { name, url, auth: username === undefined ? undefined : { username, password: password ?? '' } }
}
