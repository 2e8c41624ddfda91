// A directory tree as comparable lines: path, type, mode, owner, size, time, device, link target, hard-link group, xattrs, content.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { must } from './command.ts'

/** Sorted by path. `skip` names paths (from the root, with leading slash) whose subtree is left out. */
export async function describeTree(root: string, skip: readonly string[] = []): Promise<string[]> {
  const xattrs = await readXattrs(root)
  const groups = new Map<string, string>()
  const lines: string[] = []
  const visit = (path: string) => {
    if (skip.includes(path)) return
    const full = Buffer.from(join(root, path), 'latin1') // names are bytes
    const stat = lstatSync(full, { bigint: true })
    const facts = [path, stat.mode.toString(8), `${stat.uid}:${stat.gid}`, `t${stat.mtimeNs}`]
    if (stat.isSymbolicLink()) facts.push(`-> ${readlinkSync(full, { encoding: 'buffer' }).toString('latin1')}`)
    if (stat.isFile()) facts.push(`s${stat.size}`, createHash('sha256').update(readFileSync(full)).digest('hex'))
    if (stat.isCharacterDevice() || stat.isBlockDevice()) facts.push(`r${stat.rdev}`)
    if (!stat.isDirectory() && stat.nlink > 1n) {
      const inode = `${stat.dev}.${stat.ino}`
      groups.set(inode, groups.get(inode) ?? path)
      facts.push(`= ${groups.get(inode)}`)
    }
    facts.push(...(xattrs.get(Buffer.from(path, 'latin1').toString('utf8').replaceAll('\n', '\\012')) ?? []))
    lines.push(facts.join(' '))
    if (stat.isDirectory())
      for (const name of readdirSync(full, { encoding: 'buffer' })
        .map((bytes) => bytes.toString('latin1'))
        .sort())
        visit(join(path, name))
  }
  visit('/')
  return lines
}

async function readXattrs(root: string): Promise<Map<string, string[]>> {
  // -xdev leaves out /proc, /sys and /dev of a running container; the trailing `.` makes a root that is a link, like /proc/PID/root, a directory.
  const command = `find "$1/." -xdev -print0 | xargs -0 getfattr -h -d -m '^(security|user|trusted)\\.' -e hex --absolute-names`
  const text = await must(['sh', '-c', command, 'sh', root], { timeoutMs: 120_000 })
  const found = new Map<string, string[]>()
  for (const block of text.split('\n\n')) {
    const [head = '', ...values] = block.split('\n')
    const path = head.replace(/^# file: /, '').slice(root.length + '/.'.length)
    found.set(path === '' ? '/' : path, values.filter((value) => !value.startsWith('trusted.overlay.')).sort())
  }
  return found
}
