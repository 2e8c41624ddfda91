// A directory tree as comparable lines: path, type, mode, owner, size, time, device, link target, hard-link group, xattrs, content.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { must } from './command.ts'
import { lgetxattrBytes, llistxattrBytes } from '../../src/linux/byte-path.ts'

/** Sorted by path. `skip` names paths (from the root, with leading slash) whose subtree is left out. */
export async function describeTree(root: string, skip: readonly string[] = []): Promise<string[]> {
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
    facts.push(...xattrsOf(full))
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

function xattrsOf(path: Buffer): string[] {
  const isTold = (name: string) => /^(?:security|user|trusted)\./.test(name) && !name.startsWith('trusted.overlay.')
  const names = llistxattrBytes(path).filter(isTold)
  const value = (name: string) => lgetxattrBytes(path, Buffer.from(name, 'latin1'))?.toString('hex')
  return names.map((name) => `${name}=0x${value(name)}`).sort()
}

/** By GNU tar, with all that it can restore. */
export async function unpackTree(tar: string, root: string): Promise<void> {
  const all = ['--numeric-owner', '--same-owner', '-p', '--xattrs', '--xattrs-include=*']
  await must(['tar', '-C', root, ...all, '-xf', tar], { timeoutMs: 300_000 })
}
