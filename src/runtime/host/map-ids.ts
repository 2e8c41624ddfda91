// Who is who in a new user namespace (user_namespaces(7)): written by the spawner while the process waits, since the namespace itself may not.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import { errnoText } from '../../linux/kernel-error.ts'
import type { IdMapping } from '../../oci/runtime-spec.ts'

export interface IdMaps {
  uid: readonly IdMapping[]
  gid: readonly IdMapping[]
}

/** An ordinary user, who may map himself, and with newuidmap(1) what /etc/subuid gives him. */
export interface Mapper {
  isRootless: boolean
  euid: number
  egid: number
}

/** Throws Failure. */
export function mapIds(pid: number, maps: IdMaps, mapper: Mapper): void {
  if (!mapper.isRootless || mapper.euid === 0) {
    writeMap(pid, 'uid_map', maps.uid)
    writeMap(pid, 'gid_map', maps.gid)
    return
  }
  if (isOnlySelf(maps.gid, mapper.egid)) {
    // Else a member of a group could shed the membership that denies him something (CVE-2014-8989).
    write(pid, 'setgroups', 'deny')
    writeMap(pid, 'gid_map', maps.gid)
  } else runMapper('newgidmap', pid, maps.gid)
  if (isOnlySelf(maps.uid, mapper.euid)) writeMap(pid, 'uid_map', maps.uid)
  else runMapper('newuidmap', pid, maps.uid)
}

/** Whether the namespace may call setgroups(2). */
export function deniesSetgroups({ gid }: IdMaps, mapper: Mapper): boolean {
  return mapper.isRootless && mapper.euid !== 0 && isOnlySelf(gid, mapper.egid)
}

function isOnlySelf(mappings: readonly IdMapping[], id: number): boolean {
  const [only] = mappings
  return mappings.length === 1 && only?.hostID === id && only.size === 1
}

function writeMap(pid: number, name: 'uid_map' | 'gid_map', mappings: readonly IdMapping[]): void {
  if (mappings.length > 0) write(pid, name, mappings.map((each) => `${wordsOf(each).join(' ')}\n`).join(''))
}

function wordsOf({ containerID, hostID, size }: IdMapping): string[] {
  return [containerID, hostID, size].map(String)
}

function write(pid: number, name: string, text: string): void {
  try {
    writeFileSync(`/proc/${pid}/${name}`, text, { flag: 'r+' })
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : 0
    throw new Failure('permission-denied', `write ${name} ${JSON.stringify(text)}: ${errnoText(errno)}`, {
      cause: error,
    })
  }
}

/** The mapping programs of the package uidmap check /etc/subuid and /etc/subgid and may do the rest. */
function runMapper(program: string, pid: number, mappings: readonly IdMapping[]): void {
  try {
    execFileSync(program, [String(pid), ...mappings.flatMap(wordsOf)], { stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    const reason = said !== '' ? said : error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new Failure('permission-denied', `rootless: ${program}: ${reason}`, { cause: error })
  }
}
