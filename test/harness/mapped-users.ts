// The host's user files as `userns-remap` reads them, put over the real ones in this test's own mount namespace, in which the daemons run.
import { appendFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must } from './command.ts'

/** Of the user `mapped`: the host's id of the containers' root, and how many follow. */
export const FIRST = 231_072
export const COUNT = 65_536

/** There are two users more: `mapped`, 6123, has ranges, by its name and by its number, and `rangeless` has none. */
export async function coverUserFiles(
  ranges = { subuid: `mapped:${FIRST}:${COUNT}\n`, subgid: `6123:${FIRST}:${COUNT}\n` },
): Promise<AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'mapped-users-'))
  const etc = join(directory, 'etc')
  await must(['cp', '-a', '/etc', etc])
  appendFileSync(join(etc, 'passwd'), 'mapped:x:6123:6123::/:/bin/false\nrangeless:x:6124:6124::/:/bin/false\n')
  appendFileSync(join(etc, 'group'), 'mapped:x:6123:\nrangeless:x:6124:\n')
  for (const [name, text] of Object.entries(ranges)) writeFileSync(join(etc, name), text)
  // The directory, not its files: a mount goes when somebody else puts a new file in its place.
  await must(['mount', '--bind', etc, '/etc'])
  return {
    async [Symbol.asyncDispose]() {
      await must(['umount', '--lazy', '/etc'])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
