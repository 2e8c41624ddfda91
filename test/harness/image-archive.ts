// An image as `docker save` writes it, made by hand: what a client imports without any registry.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must } from './command.ts'
import { makeBusyboxTree } from './images.ts'

/** Writes `image.tar` into the directory: busybox in one layer, `/etc/second` in another. */
export async function makeImageArchive(directory: string, name: string): Promise<void> {
  const image = join(directory, 'image')
  await makeBusyboxTree(join(image, 'first'))
  await mkdir(join(image, 'second/etc'), { recursive: true })
  await writeFile(join(image, 'second/etc/second'), 'of the second layer\n')
  const diffIds: string[] = []
  for (const layer of ['first', 'second']) {
    const tar = join(image, `${layer}.tar`)
    await must(['tar', '-C', join(image, layer), '--numeric-owner', '-cf', tar, '.'])
    diffIds.push((await must(['sha256sum', tar])).replace(/^(\S+).*/s, 'sha256:$1'))
  }
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
  }
  await writeFile(join(image, 'config.json'), JSON.stringify(config))
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['first.tar', 'second.tar'] }]
  await writeFile(join(image, 'manifest.json'), JSON.stringify(manifest))
  const files = ['manifest.json', 'config.json', 'first.tar', 'second.tar']
  await must(['tar', '-C', image, '-cf', join(directory, 'image.tar'), ...files])
}
