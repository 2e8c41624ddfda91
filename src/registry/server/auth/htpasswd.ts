// Users and passwords out of a file of Apache's htpasswd, bcrypt only, as the original takes them. The file is read again when it changes.
import { compare } from 'bcryptjs'
import { createHmac, randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { Failure } from '../../../base/failure.ts'
import { ApiError } from '../api-error.ts'
import type { Authorize } from './access.ts'
import { parseBasic } from './parse-basic.ts'

/** Passwords that were right lately; bcrypt is made to be slow, and a push is a hundred requests. */
const REMEMBERED_MAX = 1000
/** For users that there are none of, so that the answer takes as long. Nobody knows its password. */
const NOBODY = '$2b$10$abcdefghijklmnopqrstuuIqMoI8jKuXc5cH2hFZsJv0oqbcUIWpa'

/** Throws Failure for a file that can't be read or holds something else. */
export function htpasswdAccess({ realm, path }: { realm: string; path: string }): Authorize {
  const passwords = new PasswordFile(path)
  const challenge = { 'www-authenticate': `Basic realm=${JSON.stringify(realm)}` }
  return async (exchange) => {
    const given = parseBasic(exchange.request.headers.authorization)
    if (given === undefined || !(await passwords.verify(given.user, given.password)))
      throw new ApiError('UNAUTHORIZED', { headers: challenge })
    exchange.user = given.user
  }
}

export class PasswordFile {
  readonly #path: string
  readonly #key = randomBytes(32)
  readonly #right = new Set<string>()
  #hashes = new Map<string, string>()
  #version = ''

  constructor(path: string) {
    this.#path = path
    this.#refresh()
  }

  /** Undefined for who has no password. */
  hashOf(user: string): string | undefined {
    this.#refresh()
    return this.#hashes.get(user)
  }

  async verify(user: string, password: string): Promise<boolean> {
    const hash = this.hashOf(user)
    // What is remembered is worth nothing outside of this process, and nothing once the file has another hash.
    const memory = createHmac('sha256', this.#key)
      .update(JSON.stringify([user, password, hash]))
      .digest('base64')
    if (this.#right.has(memory)) return true
    const isRight = (await compare(password, hash ?? NOBODY)) && hash !== undefined
    if (isRight) this.#right.add(memory)
    const [oldest] = this.#right
    if (this.#right.size > REMEMBERED_MAX && oldest !== undefined) this.#right.delete(oldest)
    return isRight
  }

  #refresh(): void {
    const { mtimeMs, size, ino } = statSync(this.#path)
    const version = `${mtimeMs} ${size} ${ino}`
    if (version === this.#version) return
    this.#hashes = parsePasswords(readFileSync(this.#path, 'utf8'), this.#path)
    this.#version = version
  }
}

export function parsePasswords(text: string, path: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const [at, line] of text.split('\n').entries()) {
    const entry = line.trim()
    if (entry === '' || entry.startsWith('#')) continue
    const colon = entry.indexOf(':')
    const hash = entry.slice(colon + 1)
    if (colon < 1 || !/^\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash))
      throw new Failure('invalid-argument', `${path}, line ${at + 1}: not a user and a bcrypt hash`)
    // PHP's and Apache's letter for what everybody else calls 2b.
    found.set(entry.slice(0, colon), hash.replace(/^\$2[xy]/, '$2b'))
  }
  return found
}
