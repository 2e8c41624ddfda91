// Basic credentials (RFC 7617) and bearer tokens of a request.

/** Undefined where there are none, or none that can be read. */
export function parseBasic(header: string | undefined): { user: string; password: string } | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=]{1,8192})$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

export function parseBearer(header: string | undefined): string | undefined {
  return /^bearer +([\w.~+/=-]{1,16384})$/i.exec(header ?? '')?.[1]
}
