// A Debian root file system by debootstrap, as an image of several layers with whiteouts, opaque directories, capabilities, devices and links.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './root.ts'
import { must } from './command.ts'
import { pushImage } from './images.ts'
import { unpackTree } from './tree.ts'

/** Made once for a checkout; the archive mirror is the machine's own. */
export const debianBase = (): Promise<string> => debianTree('debian-minbase', [])

/** The same with a server that many test suites start in a container. */
export const debianWithRedis = (): Promise<string> => debianTree('debian-redis', ['--include=redis-server'])

async function debianTree(name: string, more: readonly string[]): Promise<string> {
  const fixture = join(ROOT, `build/fixtures/${name}.tar`)
  if (existsSync(fixture)) return fixture
  const directory = await mkdtemp(join(tmpdir(), 'berth-debootstrap-'))
  try {
    const mirror = await must([
      'sh',
      '-c',
      `apt-cache policy 2>/dev/null | sed -n 's/^ *[0-9]* \\(https\\?:[^ ]*\\) bookworm\\/main .*/\\1/p' | head -1`,
    ])
    await must(
      [
        'debootstrap',
        '--variant=minbase',
        ...more,
        'bookworm',
        `${directory}/rootfs`,
        ...(mirror === '' ? [] : [mirror]),
      ],
      { timeoutMs: 600_000 },
    )
    await must(['rm', '-rf', `${directory}/rootfs/var/cache/apt/archives`, `${directory}/rootfs/var/lib/apt/lists`])
    await mkdir(join(ROOT, 'build/fixtures'), { recursive: true })
    await must(['tar', '-C', `${directory}/rootfs`, ...TAR, '-cf', `${fixture}.part`, '.'], { timeoutMs: 300_000 })
    await rename(`${fixture}.part`, fixture)
    return fixture
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const TAR = [
  '--numeric-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--format=pax',
  '--pax-option=delete=atime,delete=ctime',
]

/** What the second and third layers change, as shell in the tree; then the same as layers, with whiteouts written by hand. */
const CHANGES = `
rm -rf usr/share/doc/bash; rm -f etc/debian_version
rm -rf etc/apt; mkdir -p etc/apt; echo fresh > etc/apt/sources.list
mkdir -p opt/app/deep/er; echo one > opt/app/file; ln opt/app/file opt/app/hard; ln -s ../app/file opt/app/soft; ln -s /etc/passwd opt/app/absolute
cp bin/cat opt/app/capable; setcap cap_net_raw+ep opt/app/capable
cp bin/cat opt/app/setuid; chown 1000:1000 opt/app/setuid; chmod 6755 opt/app/setuid
mknod opt/app/null c 1 3; mknod opt/app/fifo p; setfattr -n user.note -v hello opt/app/file
chown 1234:4321 opt/app/deep/er; chmod 1770 opt/app/deep/er
touch -h -d '2001-02-03 04:05:06.789' opt/app/soft opt/app/file opt/app/deep/er; touch -d '2002-03-04 05:06:07' opt/app opt/app/deep
`
const LAYER = `
set -e
mkdir -p layer/usr/share/doc layer/etc layer/opt
touch layer/usr/share/doc/.wh.bash layer/etc/.wh.debian_version
mkdir layer/etc/apt; cp -a tree/etc/apt/. layer/etc/apt/; touch layer/etc/apt/.wh..wh..opq
cp -a tree/opt/app layer/opt/
for d in usr usr/share usr/share/doc etc opt etc/apt; do chown --reference=tree/$d layer/$d; chmod --reference=tree/$d layer/$d; done
`
// Times last, and from the finished tree: making entries in a directory changes it.
const LAYER_TIMES = `for d in usr/share/doc usr/share usr etc/apt etc opt .; do touch -r tree/$d layer/$d; done`

/** Pushes the image; with `expectedTree` the tree it must unpack to is left there. A dockerd of before 23 knows no zstd. */
export async function pushDebian(
  host: string,
  name: string,
  { expectedTree, upper = 'zstd' }: { expectedTree?: string; upper?: 'gzip' | 'zstd' } = {},
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-debian-'))
  try {
    const base = await debianBase()
    await mkdir(`${directory}/tree`)
    await unpackTree(base, `${directory}/tree`)
    await must(['sh', '-ec', CHANGES], { cwd: `${directory}/tree` })
    await must(['sh', '-ec', `${LAYER}${LAYER_TIMES}`], { cwd: directory })
    await must(['tar', '-C', `${directory}/layer`, ...TAR, '-cf', `${directory}/layer.tar`, '.'])
    const layers = [
      { tar: base, compression: 'gzip' as const },
      { tar: `${directory}/layer.tar`, compression: upper },
    ]
    await pushImage(host, name, {
      layers,
      config: { Cmd: ['bash'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] },
    })
    if (expectedTree !== undefined)
      await must(['sh', '-ec', 'mkdir -p "$2"; rmdir "$2"; mv "$1" "$2"', 'sh', `${directory}/tree`, expectedTree])
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
