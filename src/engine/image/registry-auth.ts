// Credentials that a client hands over for one request: the header X-Registry-Auth.
import type { IncomingMessage } from 'node:http'
import type { RegistryAuth } from '../../registry/upstream/registry-auth.ts'
import { isObject } from '../settings/setting-value.ts'

const HEADER_LENGTH_MAX = 64 * 1024

/** Undefined where there are none. What can't be decoded counts as none, as in Docker: pulling without an account is no error. */
export function decodeAuthHeader(headers: IncomingMessage['headers']): RegistryAuth | undefined {
  const text = headers['x-registry-auth']
  if (typeof text !== 'string' || text === '' || text.length > HEADER_LENGTH_MAX) return undefined
  try {
    // Clients send the URL-safe alphabet or the standard one, padded or not; Buffer takes all of them.
    return readAuth(JSON.parse(Buffer.from(text, 'base64').toString('utf8')))
  } catch {
    return undefined
  }
}

/** Of an AuthConfig of the API. Field names are compared as Go does: without regard to case. */
export function readAuth(value: unknown): RegistryAuth | undefined {
  if (!isObject(value)) return undefined
  const fields = new Map(Object.entries(value).map(([key, field]) => [key.toLowerCase(), field]))
  const text = (name: string) => {
    const field = fields.get(name)
    return typeof field === 'string' && field !== '' ? field : undefined
  }
  const [basicUser, basicPassword] = splitBasic(text('auth'))
  const username = text('username') ?? basicUser
  const password = text('password') ?? basicPassword
  const identityToken = text('identitytoken')
  const registryToken = text('registrytoken')
  const auth: RegistryAuth = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(identityToken === undefined ? {} : { identityToken }),
    ...(registryToken === undefined ? {} : { registryToken }),
  }
  return Object.keys(auth).length === 0 ? undefined : auth
}

/** `auth` of config.json: user and password in one. */
function splitBasic(text: string | undefined): [string | undefined, string | undefined] {
  if (text === undefined) return [undefined, undefined]
  const plain = Buffer.from(text, 'base64').toString('utf8')
  const colon = plain.indexOf(':')
  return colon < 0 ? [undefined, undefined] : [plain.slice(0, colon), plain.slice(colon + 1)]
}
