// Fifty layers, each the commit of a container of the one below, beside the original dockerd: the same files, whichever way they leave again.
import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { must } from '../harness/command.ts'
import { type EnginePair, startEnginePair } from '../harness/engine-pair.ts'
import { pushBusybox } from '../harness/images.ts'
import { describeTree, unpackTree } from '../harness/tree.ts'

const DEPTH = 50

let pair: EnginePair
let directory: string
let sides: Side[]

interface Side {
  name: 'ours' | 'theirs'
  docker: (...args: string[]) => Promise<string>
  sh: (script: string) => Promise<string>
}

before(async () => {
  const started = await startEnginePair(async (registry) => {
    await pushBusybox(registry.host, 'pair:latest', { Cmd: ['sleep', '1000'] })
    return `${registry.host}/pair`
  })
  assert.ok(started, 'a dockerd is installed')
  pair = started
  directory = join(pair.ours.directory, 'chain')
  await mkdir(directory)
  await packUpload(directory)
  sides = [sideOf('ours', pair.ours.host), sideOf('theirs', `unix://${pair.theirs.socketPath}`)]
})

after(() => pair?.[Symbol.asyncDispose]())

function sideOf(name: Side['name'], host: string): Side {
  const options = { env: { DOCKER_HOST: host }, cwd: directory, timeoutMs: 120_000 }
  return {
    name,
    docker: (...args) => must(['docker', ...args], options),
    sh: (script) => must(['sh', '-ec', script], options),
  }
}

/** What each layer does, with its number in `$i`; everything but the first few of them changes what the ones before have left. */
const STEPS = [
  'mkdir -p /made/$i/a/b; echo $i > /made/$i/a/b/c; ln /made/$i/a/b/c /made/$i/hard; ln /made/$i/hard /made/$i/a/third; ln -s ../hard /made/$i/a/soft; ln -s /no/where /made/$i/lost',
  'mkfifo -m 640 /fifo-$i; mknod -m 660 /char-$i c 1 3; mknod /block-$i b 7 $i; chown -h 5:6 /fifo-$i /char-$i',
  'mkdir -p /wide/$i; for n in 1 2 3 4 5 6 7 8 9; do echo $i $n > /wide/$i/$n; done; chmod 4711 /wide/$i/1; chmod 2755 /wide/$i/2; chmod 1777 /wide/$i; chown 1000:1000 /wide/$i/3',
  // Something in the place of something of another kind.
  'rm -rf /kind; case $((i % 4)) in 0) mkdir /kind; echo > /kind/x;; 1) echo file > /kind;; 2) ln -s wide /kind;; 3) mkfifo /kind;; esac',
  // A directory that is made anew is opaque, and one in it again.
  'rm -rf /opaque; mkdir -p /opaque/in/$i; echo $i > /opaque/in/$i/f; echo $i > /opaque/only-$i',
  'mkdir -p /opaque/in; rm -rf /opaque/in; mkdir /opaque/in; echo $i > /opaque/in/g; mkdir -m 2770 /opaque/deep; chown 7:8 /opaque/deep',
  // Deletions: of files, of a link of several, of a whole tree, and of what only the layer before had.
  'rm -f /wide/*/5 /wide/*/6; rm -rf /made/*/a/b; rm -f /fifo-* /gone-*; echo $i > /gone-$i',
  // Of what lies below only the mode, the owner, the time, the name is another.
  'for d in /wide/*; do chmod 600 $d/7; chown $i:$i $d/8; touch -d 199901020304 $d/9; mv $d/4 $d/four-$i 2>/dev/null || :; done; chown -h 9:9 /made/*/lost; chmod 750 /wide',
  // A link of the layers below is written to: the others keep what they had, as overlay has it.
  'for d in /made/*; do echo more $i >> $d/hard; ln -f $d/hard $d/fourth; done',
  'dd if=/dev/zero of=/sparse-$i bs=1 count=1 seek=$((4000000 + i)) 2>/dev/null; truncate -s 3000000 /hole-$i; : > /empty-$i; mkdir -p /nothing/$i',
  'n=$(printf "%0200d" $i); mkdir -p /long/$n/$n; echo $i > "/long/$n/$n/with space"; echo $i > "/long/$(printf "n\\nl\\tt")-$i"; echo $i > "/long/$(printf "\\303\\274")-$i"; echo $i > "/long/$(printf "\\377\\001")-$i"',
  'rm -rf /home /var; mkdir -p /home/user/$i; echo $i >> /etc/passwd; rm -f /etc/group; echo g:x:$i: > /etc/group; : > /home/.wh-is-no-whiteout',
] as const

/** Has the time of its side's run, which is what it is for. */
const STAMP = '/stamp'

/** All that is newer than the base gets a time that both sides can have, and directories last. */
const SETTLE = `find / -xdev -depth -mindepth 1 -newer ${STAMP} ! -path "/proc*" ! -path "/sys*" ! -path "/dev*" -exec touch -h -d 2001020304$(printf %02d $((i % 60))).05 {} + 2>/dev/null; :`

/**
 * What no shell in the container makes: times with nanoseconds, attributes, capabilities, a real hole. No link of what has a capability: the
 * original sets the owner of each link anew, which takes the capability away.
 */
async function packUpload(into: string): Promise<void> {
  const root = join(into, 'upload')
  await mkdir(join(root, 'up/dir'), { recursive: true })
  await writeFile(join(root, 'up/timed'), 'timed\n')
  await must([
    'sh',
    '-ec',
    `cd "$1/up"; cp /bin/true capable; setcap cap_net_raw,cap_chown+ep capable; echo linked > linked; ln linked also-linked
     setfattr -n user.text -v 'a value' timed; setfattr -n user.empty dir; setfattr -n trusted.mark -v 0x00ff01 timed; chown 12345:54321 dir
     truncate -s 20M hole; printf end >> hole
     find . -depth -exec touch -h -d '2003-04-05 06:07:08.123456789' {} +
     touch -d '2004-05-06 07:08:09.987654321' timed
     tar -C "$1" --format=posix --numeric-owner --xattrs --xattrs-include='*' --pax-option=delete=atime,delete=ctime -cf "$1.tar" up`,
    'sh',
    root,
  ])
}

/** Where both put what a container gets from its engine, and not from its image. */
const OF_THE_ENGINE = [
  '/dev',
  '/proc',
  '/sys',
  '/.dockerenv',
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/etc/mtab',
]

/** The tree that an export unpacks to. */
async function exported({ name, docker }: Side, container: string): Promise<string[]> {
  const tar = join(directory, `${name}-${container}.tar`)
  const root = join(directory, `${name}-${container}`)
  await docker('export', '-o', tar, container)
  return await unpacked(tar, root)
}

async function unpacked(tar: string, root: string): Promise<string[]> {
  await mkdir(root)
  try {
    await unpackTree(tar, root)
    const lines = await describeTree(root, [...OF_THE_ENGINE, STAMP])
    return lines.map((line) => (/^\/(?:etc)? /.test(line) ? line.replace(/ t\d+/, '') : line)) // the engine has put something into these
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

/** What one who looks around in it sees, without what changes in a container that runs. */
const LOOK = `find / -xdev -mindepth 1 ! -path "/proc*" ! -path "/sys*" ! -path "/dev*" ! -path "/etc/h*" ! -path "/etc/resolv*" ! -path "/etc/mtab" ! -path /.dockerenv ! -path /etc ! -path ${STAMP} -exec stat -c "%n %F %a %u:%g %s %t.%T %Y" {} + | sort; find / -xdev -type f -links +1 -exec stat -c "%n %h" {} + | sort; find /made /wide /opaque /long -type f -exec md5sum {} + | sort`

async function commitChain(side: Side): Promise<void> {
  const { docker, sh } = side
  await docker('tag', 'pair', 'chain:0')
  for (let layer = 1; layer <= DEPTH; layer++) {
    const step = STEPS[(layer - 1) % STEPS.length] ?? ''
    const stamp = layer === 1 ? `: > ${STAMP}; sleep 1; ` : ''
    const script = `i=${layer}; ${stamp}${step}; ${SETTLE}`
    await docker('run', '--name', 'step', '--net', 'none', `chain:${layer - 1}`, 'sh', '-c', script)
    if (layer % 10 === 5) await sh('docker cp -a - step:/ < upload.tar')
    if (layer % 10 === 6)
      await sh('mkdir -p new; echo other > new/timed; touch -d @1 new/timed; docker cp -a new/timed step:/up/timed')
    await docker('commit', 'step', `chain:${layer}`)
    await docker('rm', '-f', 'step')
  }
}

const assertSameLines = (ours: readonly string[], theirs: readonly string[], what: string) => {
  const [mine, other] = [new Set(ours), new Set(theirs)]
  const differing = {
    ours: ours.filter((line) => !other.has(line)).slice(0, 10),
    theirs: theirs.filter((line) => !mine.has(line)).slice(0, 10),
  }
  assert.deepEqual(differing, { ours: [], theirs: [] }, what)
  assert.equal(ours.length, theirs.length, what)
}

test('after fifty commits both have the same files, in a container and in its export', {
  timeout: 900_000,
}, async () => {
  const results = []
  for (const side of sides) {
    await commitChain(side)
    const { docker } = side
    const layers = await docker('image', 'inspect', '-f', '{{len .RootFS.Layers}}', `chain:${DEPTH}`)
    const seen = await docker('run', '--rm', '--net', 'none', `chain:${DEPTH}`, 'sh', '-c', LOOK)
    await docker('create', '--name', 'last', '--net', 'none', `chain:${DEPTH}`)
    results.push({ layers, seen: seen.split('\n'), tree: await exported(side, 'last') })
  }
  const [ours, theirs] = results
  assert.ok(ours && theirs)
  assert.equal(ours.layers, String(DEPTH + 1))
  assert.equal(theirs.layers, ours.layers)
  assertSameLines(ours.seen, theirs.seen, 'seen from the inside')
  assertSameLines(ours.tree, theirs.tree, 'exported')
  for (const expected of [
    /^\/up\/capable .*security\.capability=/,
    /^\/up\/hole .* s20971523 /,
    /^\/char-\d+ 20660 5:6 .* r259/,
    /^\/up\/linked .* = \/up\/also-linked/,
    /^\/kind /,
    /^\/long\//,
  ])
    assert.ok(
      ours.tree.some((line) => expected.test(line)),
      `${expected} in the tree`,
    )
  for (const absent of [/^\/home\/user\/1 /, /\.wh\./, /^\/wide\/3\/5 /])
    assert.ok(!ours.tree.some((line) => absent.test(line)), `${absent} in the tree`)
})

test('the layers in between are what they were', async () => {
  for (const layer of [1, 7, 13, 25, 37]) {
    const [ours, theirs] = await Promise.all(
      sides.map(async (side) => {
        await side.docker('create', '--name', `at-${layer}`, '--net', 'none', `chain:${layer}`)
        const tree = await exported(side, `at-${layer}`)
        await side.docker('rm', `at-${layer}`)
        return tree
      }),
    )
    assertSameLines(ours ?? [], theirs ?? [], `layer ${layer}`)
  }
})

test('a chain that one saves the other loads and has the same files of', { timeout: 300_000 }, async () => {
  for (const [from, to] of [sides, [...sides].reverse()]) {
    assert.ok(from && to)
    const archive = join(directory, `${from.name}-saved.tar`)
    await from.docker('tag', `chain:${DEPTH}`, `of-${from.name}`)
    await from.docker('save', '-o', archive, `of-${from.name}`)
    assert.equal(await to.docker('load', '-q', '-i', archive), `Loaded image: of-${from.name}:latest`)
    await to.docker('create', '--name', `of-${from.name}`, '--net', 'none', `of-${from.name}`)
    await from.docker('create', '--name', `of-${from.name}`, '--net', 'none', `of-${from.name}`)
    assertSameLines(
      await exported(to, `of-${from.name}`),
      await exported(from, `of-${from.name}`),
      `saved by ${from.name}`,
    )
  }
})

test('what is exported and imported again is one layer with the same files', { timeout: 300_000 }, async () => {
  const trees = []
  for (const side of sides) {
    const { docker, sh } = side
    await sh('docker export last | docker import - flat > /dev/null')
    assert.equal(await docker('image', 'inspect', '-f', '{{len .RootFS.Layers}}', 'flat'), '1')
    await docker('create', '--name', 'flat', '--net', 'none', 'flat', 'true')
    trees.push({ last: await exported(side, 'last'), flat: await exported(side, 'flat') })
  }
  const [ours, theirs] = trees
  assert.ok(ours && theirs)
  assertSameLines(ours.flat, theirs.flat, 'imported')
  assertSameLines(ours.flat, ours.last, 'imported and exported again')
})

test('a socket is in no layer, and what stands beside it is', async () => {
  const bound = `use IO::Socket::UNIX; IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die "$!"`
  const seen = await Promise.all(
    sides.map(async ({ docker }) => {
      await docker('run', '-d', '--name', 'socket', '--net', 'none', 'pair')
      const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'socket')
      await must(['perl', '-e', bound, `/proc/${pid}/root/home/socket`])
      await docker('exec', 'socket', 'sh', '-c', 'echo x > /home/file; test -S /home/socket')
      await docker('commit', 'socket', 'with:socket')
      await docker('rm', '-f', 'socket')
      return await docker('run', '--rm', '--net', 'none', 'with:socket', 'sh', '-c', 'ls /home')
    }),
  )
  assert.deepEqual(seen, ['file\nuser', 'file\nuser'])
})
