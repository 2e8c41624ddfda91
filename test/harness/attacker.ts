// Hostile programs and images for the security tests.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must } from './command.ts'
import { type ImageConfig, makeBusyboxTree, pushImage } from './images.ts'
import { ROOT } from './root.ts'

/** Compiles attacker.c; the path of a static program. */
export async function buildAttacker(directory: string): Promise<string> {
  const program = join(directory, 'attacker')
  await must(['cc', '-static', '-O1', '-o', program, join(ROOT, 'test/harness/attacker.c')])
  return program
}

/** busybox, changed by a shell script that runs in the root of its tree. */
export async function pushHostile(host: string, name: string, script: string, config: ImageConfig = {}): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-hostile-'))
  const [tree, tar] = [join(directory, 'rootfs'), join(directory, 'layer.tar')]
  try {
    await mkdir(tree)
    await makeBusyboxTree(tree)
    await must(['sh', '-ec', script], { cwd: tree })
    await must(['tar', '-C', tree, '--numeric-owner', '--xattrs', '--xattrs-include=*', '-cf', tar, '.'])
    await pushImage(host, name, { layers: [{ tar, compression: 'gzip' }], config: { Cmd: ['sh'], ...config } })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
