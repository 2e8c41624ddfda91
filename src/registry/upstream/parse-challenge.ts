// WWW-Authenticate (RFC 9110, 11.6.1), as registries write it.

export interface Challenge {
  scheme: 'bearer' | 'basic'
  parameters: Record<string, string>
}

/** The challenges that a registry client can answer, bearer first. Headers may be folded into one. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  const token = /[\s,]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y
  for (let match = token.exec(header); match; match = token.exec(header)) {
    const value = match[2]?.replace(/\\(.)/g, '$1') ?? match[3]
    const current = challenges.at(-1)
    if (value === undefined) challenges.push({ scheme: match[1]!.toLowerCase(), parameters: {} })
    else if (current) current.parameters[match[1]!.toLowerCase()] = value
  }
  const known = challenges.filter((c): c is Challenge => c.scheme === 'bearer' || c.scheme === 'basic')
  return known.sort((a, b) => (a.scheme === b.scheme ? 0 : a.scheme === 'bearer' ? -1 : 1))
}
