// Who a container's process runs as: the `user[:group]` of its configuration looked up in the image's own passwd and group files.
import { Failure } from '../../../base/failure.ts'

export interface ResolvedUser {
  uid: number
  gid: number
  /** Supplementary groups without the primary one, in the order of the group file. */
  additionalGids: number[]
  home: string
}

const ID_MAX = 2 ** 31 - 1
const GROUPS_MAX = 65536 // NGROUPS_MAX

/**
 * An empty user is root. Numbers need no entry, and are never taken for names: an image may call its root `1000` (CVE-2026-46680).
 * One that is out of range is refused.
 * Throws Failure('invalid-argument') in Docker's words. The texts are the image's: the caller bounds their size.
 */
export function resolveUser(spec: string, passwd: string | undefined, group: string | undefined): ResolvedUser {
  const [userPart, groupPart] = splitUser(spec)
  const uid = parseId(userPart)
  const found = findFirst(passwd, 7, (fields) => {
    const entryUid = parseEntryId(fields[2])
    const entryGid = parseEntryId(fields[3])
    if (entryUid === undefined || entryGid === undefined) return undefined
    const matches = uid !== undefined ? entryUid === uid : userPart === '' ? entryUid === 0 : fields[0] === userPart
    return matches ? { name: fields[0] ?? '', uid: entryUid, gid: entryGid, home: fields[5] || '/' } : undefined
  })
  if (found === undefined && userPart !== '' && uid === undefined)
    throw new Failure('invalid-argument', `unable to find user ${userPart}: no matching entries in passwd file`)
  const user = found ?? { name: '', uid: uid ?? 0, gid: 0, home: '/' }
  if (groupPart !== '')
    return { uid: user.uid, gid: resolveGroup(groupPart, group), additionalGids: [], home: user.home }
  return { uid: user.uid, gid: user.gid, additionalGids: findMemberships(user.name, user.gid, group), home: user.home }
}

/** A group of `--group-add`: its number by name or number. Throws Failure('invalid-argument') in the daemon's words. */
export function resolveAddedGroup(name: string, group: string | undefined): number {
  const gid = parseId(name)
  const found = findGroup(name, gid, group) ?? gid
  if (found === undefined)
    throw new Failure('invalid-argument', `Unable to find group ${name}: no matching entries in group file`)
  return found
}

function resolveGroup(name: string, group: string | undefined): number {
  const gid = parseId(name)
  const found = findGroup(name, gid, group) ?? gid
  if (found === undefined)
    throw new Failure('invalid-argument', `unable to find group ${name}: no matching entries in group file`)
  return found
}

/** What follows a second colon is nobody's, as in Docker. */
function splitUser(spec: string): [string, string] {
  const [user = '', group = ''] = spec.split(':')
  return [user, group]
}

/** Undefined for what isn't a number. */
function parseId(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined
  const id = Number(text)
  if (id < 0 || id > ID_MAX) throw new Failure('invalid-argument', `uids and gids must be in range 0-${ID_MAX}`)
  return id
}

/** An entry whose number is malformed or out of range is no entry: read as 0 it would hand out root. */
function parseEntryId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined
  const id = Number(text)
  return id <= ID_MAX ? id : undefined
}

function findGroup(name: string, gid: number | undefined, group: string | undefined): number | undefined {
  return findFirst(group, 4, (fields) => {
    const entryGid = parseEntryId(fields[2])
    const matches = gid !== undefined ? entryGid === gid : fields[0] === name
    return entryGid !== undefined && matches ? entryGid : undefined
  })
}

function findMemberships(name: string, primary: number, group: string | undefined): number[] {
  const gids = new Set<number>()
  if (name === '') return []
  findFirst(group, 4, (fields) => {
    const gid = parseEntryId(fields[2])
    if (gid !== undefined && gid !== primary && (fields[3] ?? '').split(',').includes(name)) gids.add(gid)
    return gids.size >= GROUPS_MAX ? true : undefined
  })
  return [...gids]
}

/** The first line for which `pick` gives something. */
function findFirst<T>(
  text: string | undefined,
  fields: number,
  pick: (fields: string[]) => T | undefined,
): T | undefined {
  for (const line of (text ?? '').split('\n')) {
    const trimmed = line.trim()
    if (trimmed === '') continue
    const picked = pick(trimmed.split(':', fields))
    if (picked !== undefined) return picked
  }
  return undefined
}
