// Which encoding a client wants its download in (RFC 9110 12.5.3), of those that Docker's API offers.

export type ContentEncoding = 'gzip' | 'deflate' | 'identity'

const OFFERED = ['gzip', 'deflate'] as const

/** The one that is weighed most; the first of several. Nothing that is offered: as it is. */
export function negotiateEncoding(header: string | undefined): ContentEncoding {
  const weights = new Map<string, number>()
  for (const part of (header ?? '').split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    const weight = parameters.find((text) => text.startsWith('q='))?.slice(2)
    if (name !== '') weights.set(name, weight === undefined ? 1 : Number(weight) || 0)
  }
  let best: ContentEncoding = 'identity'
  let most = 0
  for (const name of OFFERED) {
    const weight = weights.get(name) ?? weights.get('*') ?? 0
    if (weight > most) {
      best = name
      most = weight
    }
  }
  return best
}
