// `userns-remap: default` on a host that has no user `dockremap` yet: the user, its group and its ranges are made by the programs that the host has for it.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readTextIfExists } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'

const FIRST_ID = 100_000
const RANGE_SIZE = 65_536
const DIRECTORIES = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Throws Failure. What adduser or useradd have given ranges already keeps them. */
export function addRemapUser(name: string): void {
  const adduser = find('adduser')
  const useradd = find('useradd')
  if (useradd !== undefined)
    run(useradd, ['--system', '--user-group', '--shell', '/bin/false', '--no-create-home', name])
  else if (adduser !== undefined)
    run(adduser, [
      '--system',
      '--shell',
      '/bin/false',
      '--no-create-home',
      '--disabled-login',
      '--disabled-password',
      '--group',
      name,
    ])
  else throw new Failure('unavailable', `Cannot add user; no useradd/adduser binary found`)
  addRange(name, '/etc/subuid', '-v')
  addRange(name, '/etc/subgid', '-w')
}

function addRange(name: string, file: string, option: '-v' | '-w'): void {
  const entries = (readTextIfExists(file) ?? '').split('\n').map((line) => line.split(':'))
  if (entries.some(([owner]) => owner === name)) return
  const usermod = find('usermod')
  if (usermod === undefined) throw new Failure('unavailable', 'Cannot add ranges; no usermod binary found')
  const first = nextFree(entries)
  run(usermod, [option, `${first}-${first + RANGE_SIZE - 1}`, name])
}

/** The first place from 100000 on where a whole range fits between those that others have. */
export function nextFree(entries: readonly (readonly string[])[]): number {
  const taken = entries
    .map(([, first, count]) => ({ first: Number(first), end: Number(first) + Number(count) }))
    .filter(({ first, end }) => Number.isSafeInteger(first) && Number.isSafeInteger(end))
    .sort((a, b) => a.first - b.first)
  let at = FIRST_ID
  for (const { first, end } of taken) {
    if (end <= at) continue
    if (first >= at + RANGE_SIZE) break
    at = end
  }
  return at
}

function find(program: string): string | undefined {
  return DIRECTORIES.map((directory) => `${directory}/${program}`).find((path) => existsSync(path))
}

function run(program: string, args: readonly string[]): void {
  try {
    execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    throw new Failure('unavailable', `${program} ${args.join(' ')}: ${said}`, { cause: error })
  }
}
