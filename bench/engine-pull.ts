// A pull over the loopback, as far as the image's last file on the disk.
import { must } from '../test/harness/command.ts'
import { pushDebian } from '../test/harness/debian.ts'
import { timed } from './measure.ts'
import type { Part } from './stage.ts'

export const pullPart: Part = {
  name: 'pull',
  title: 'Engine: pull',
  about: 'Medians of 3 rounds, the sides alternate.',
  limitSeconds: 240,
  async measure(stage) {
    const image = `${stage.registry}/debian:bench`
    await pushDebian(stage.registry, 'debian:bench', { upper: 'gzip' })
    await stage.number(
      { what: 'pull and unpack of a Debian image (loopback registry)', unit: 'ms' },
      3,
      async (peer) => {
        await peer.docker('rmi', '-f', image)
        await peer.settled()
        await must(['sync'])
        return timed(() => peer.ok('pull', image))
      },
    )
    for (const peer of stage.peers) await peer.docker('rmi', '-f', image)
  },
}
