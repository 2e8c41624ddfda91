// What the kernel holds of ours, as a list of words, so that a test can show that nothing was left behind.
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { must } from './command.ts'

/**
 * One line per thing: mounts, links, nft tables, cgroups, processes of our programs. `scope` selects mounts and processes by a directory's name in them,
 * `cgroupParent` the groups.
 */
export async function listResidue(scope: string, cgroupParent?: string): Promise<string[]> {
  return [
    ...mounts(scope),
    ...(await links()),
    ...(await tables()),
    ...(cgroupParent === undefined ? [] : cgroups(cgroupParent)),
    ...processes(scope),
  ].sort()
}

function mounts(scope: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')
  return lines
    .filter((line) => line.includes(scope) || line.includes(' nsfs '))
    .map((line) => `mount ${line.split(' ')[4]}`)
}

async function links(): Promise<string[]> {
  const text = await must(['ip', '-o', 'link'])
  return text.split('\n').map((line) => `link ${(line.split(': ')[1] ?? '').replace(/@.*/, '')}`)
}

async function tables(): Promise<string[]> {
  const text = await must(['nft', 'list', 'tables'])
  return text === '' ? [] : text.split('\n').map((line) => `nft ${line}`)
}

function cgroups(parent: string): string[] {
  return placesOfGroup(parent).flatMap((root) =>
    readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `cgroup ${root}/${entry.name}`),
  )
}

/** Its directories: one in each hierarchy that has it. */
export function placesOfGroup(name: string): string[] {
  const hierarchies = ['', ...readdirSync('/sys/fs/cgroup')]
  const places = hierarchies.map((hierarchy) => realOf(join('/sys/fs/cgroup', hierarchy, name)))
  return [...new Set(places.filter((place) => place !== undefined))] // `cpu` and `cpuacct` may be one
}

function realOf(path: string): string | undefined {
  return existsSync(path) ? realpathSync(path) : undefined
}

function processes(scope: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        const ours = command.includes(scope) && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('berth')
        return ours ? [`process ${command}`] : []
      } catch {
        return [] // it ended while we looked
      }
    })
}
