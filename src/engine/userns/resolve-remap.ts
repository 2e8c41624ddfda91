// What `userns-remap` says: a user, whose ranges of /etc/subuid and /etc/subgid become the ids of containers. Rules and texts are dockerd's.
import { readTextIfExists } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'
import type { IdMapping } from '../../oci/runtime-spec.ts'
import type { IdMap } from './id-map.ts'

/** The host's user database, as far as it is asked. */
export interface UserDatabase {
  /** Content of /etc/passwd, /etc/group, /etc/subuid and /etc/subgid; '' for one that is not there. */
  read(file: 'passwd' | 'group' | 'subuid' | 'subgid'): string
  /** Makes the user and the group `dockremap` with ranges of their own. Throws Failure. */
  addRemapUser(name: string): void
}

const DEFAULT = 'default'
export const DEFAULT_USER = 'dockremap'
const IDS_END = 2 ** 32 - 1

export const hostDatabase = (addRemapUser: (name: string) => void): UserDatabase => ({
  read: (file) => readTextIfExists(`/etc/${file}`) ?? '',
  addRemapUser,
})

/** Undefined: nothing is mapped, which goes for root as well. Throws Failure('invalid-argument'). */
export function resolveRemap(setting: string, database: UserDatabase): IdMap | undefined {
  if (setting === '') return undefined
  const user = findUser(setting, database)
  if (user === 'root') return undefined
  const [, , uid = ''] = lookUp(database.read('passwd'), user, BY_NAME) ?? []
  if (uid === '') throw cannot(`could not get user for username ${user}: no such user`)
  const ranges = (file: 'subuid' | 'subgid') => rangesOf(database.read(file), file, user, uid)
  return { uid: ranges('subuid'), gid: ranges('subgid') }
}

/** A user's name. The group is looked for and has no effect beyond, as in Docker. */
function findUser(setting: string, database: UserDatabase): string {
  const parts = setting.split(':')
  const [given = '', group] = parts
  if (parts.length > 2) throw invalid(`invalid user/group specification in --userns-remap: ${JSON.stringify(setting)}`)
  const user = isNumber(given)
    ? userById(given, group === undefined, database)
    : userByName(given, group === undefined, database)
  if (group === undefined) return user
  const groups = database.read('group')
  if (isNumber(group)) {
    if (lookUp(groups, String(Number(group)), BY_ID) === undefined)
      throw invalid(`gid ${Number(group)} has no entry in /etc/passwd: no such group`)
  } else if (lookUp(groups, group, BY_NAME) === undefined)
    throw invalid(`error during groupname lookup for ${JSON.stringify(group)}: no such group`)
  return user
}

function userById(text: string, isGroupToo: boolean, database: UserDatabase): string {
  const id = String(Number(text))
  const [name] = lookUp(database.read('passwd'), id, BY_ID) ?? []
  if (name === undefined) throw invalid(`uid ${id} has no entry in /etc/passwd: no such user`)
  if (isGroupToo && lookUp(database.read('group'), id, BY_ID) === undefined)
    throw invalid(`gid ${id} has no entry in /etc/group: no such group`)
  return name
}

function userByName(given: string, isGroupToo: boolean, database: UserDatabase): string {
  const name = given === DEFAULT ? DEFAULT_USER : given
  if (lookUp(database.read('passwd'), name, BY_NAME) === undefined) {
    if (given !== DEFAULT) throw invalid(`error during uid lookup for ${JSON.stringify(name)}: no such user`)
    try {
      database.addRemapUser(name)
    } catch (error) {
      throw invalid(
        `error during ${JSON.stringify(name)} user creation: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
    return name
  }
  if (isGroupToo && lookUp(database.read('group'), name, BY_NAME) === undefined)
    throw invalid(`error during gid lookup for ${JSON.stringify(name)}: no such group`)
  return name
}

const BY_NAME = 0
const BY_ID = 2

/** The fields of the first line of passwd(5) or group(5) that has `value` there. */
function lookUp(text: string, value: string, field: typeof BY_NAME | typeof BY_ID): string[] | undefined {
  return text
    .split('\n')
    .map((line) => line.trim().split(':'))
    .find((fields) => fields.length > BY_ID && fields[field] === value)
}

/** The ranges of subuid(5) by the user's name, or else by its number, one after another from the container's 0. */
function rangesOf(text: string, file: 'subuid' | 'subgid', user: string, uid: string): IdMapping[] {
  const lines = text.split('\n').map((line) => line.trim())
  const entries = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(':'))
  for (const owner of [user, uid]) {
    const own = entries.filter(([name]) => name === owner)
    if (own.length > 0) return chain(own, file)
  }
  throw cannot(`no ${file} ranges found for user ${JSON.stringify(user)}`)
}

function chain(entries: readonly string[][], file: string): IdMapping[] {
  let containerID = 0
  return entries.map(([, first = '', count = '']) => {
    const [hostID, size] = [Number(first), Number(count)]
    const isRange = /^\d+$/.test(first) && /^\d+$/.test(count) && size > 0 && hostID + size <= IDS_END
    if (!isRange) throw cannot(`invalid range ${first}:${count} in /etc/${file}`)
    const mapping = { containerID, hostID, size }
    containerID += size
    return mapping
  })
}

function isNumber(text: string): boolean {
  return /^[+-]?\d+$/.test(text)
}

function cannot(why: string): Failure {
  return invalid(`Can't create ID mappings: ${why}`)
}

function invalid(text: string): Failure {
  return new Failure('invalid-argument', text)
}
