// The original podman, conmon and buildah over our runtime and over runc: the same command lines, and the same to be seen of both.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { must, run } from '../harness/command.ts'
import { skipWithoutCriu } from '../harness/criu.ts'
import {
  assertSame,
  type Comparison,
  makeProbedTree,
  OURS,
  parseLines,
  PROBE,
  type Side,
  SIDES,
  THEIRS,
} from '../harness/drop-in.ts'
import { skipWithout } from '../harness/runtime.ts'
import { LIVES, PROBED, RUNS, SAVED, TENDED } from './drop-in-podman-lines.ts'

const skip = skipWithout('podman', 'conmon', 'runc')
let directory = ''
let files = ''

const envOf = (side: Side): Record<string, string> => ({
  CONTAINERS_CONF: join(directory, 'containers.conf'),
  TMPDIR: join(directory, 'tmp'),
  P: [
    'podman --cgroup-manager cgroupfs --storage-driver overlay --events-backend file',
    `--root ${directory}/root --runroot ${directory}/run --tmpdir ${directory}/libpod`,
    `--network-config-dir ${directory}/networks --hooks-dir ${directory}/hooks-${side.name} --runtime ${side.path}`,
  ].join(' '),
  I: 'localhost/busybox:latest',
  F: files,
  O: join(directory, `own-${side.name}`),
})
const comparison: Comparison = {
  env: envOf,
  cwd: () => directory,
  cleanup: '$P rm -t 0 -fiv $C; $P rmi -fi $C-image',
}

before(async () => {
  if (skip !== false) return
  assert.ok(existsSync(OURS.path), `${OURS.path} is not built`)
  directory = await mkdtemp(join(tmpdir(), 'drop-in-podman-'))
  files = join(directory, 'files')
  await mkdir(files)
  await mkdir(join(directory, 'tmp'))
  // Its own default is more open files than a process without CAP_SYS_RESOURCE may have.
  await writeFile(
    join(directory, 'containers.conf'),
    '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\nnetns = "none"\n[engine]\nlock_type = "file"\n' +
      // Without it podman takes an unknown name for a runtime that keeps no log.
      `runtime_supports_json = ["runc", "${basename(OURS.path)}"]\n`,
  )
  await writeFile(join(files, 'file'), 'from the host\n')
  await writeFile(join(files, 'probe'), PROBE)
  await writeFile(join(files, 'show-states'), SHOW_STATES)
  const profile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
  }
  await writeFile(join(files, 'no-mkdir.json'), JSON.stringify(profile))
  await makeProbedTree(join(directory, 'tree'))
  await makeBuildContext(join(files, 'context'))
  for (const side of SIDES) await makeHooks(side)
  await must(['sh', '-c', `tar -C "$1" -c . | $P import -c 'CMD sh' - busybox`, 'sh', join(directory, 'tree')], {
    env: envOf(OURS),
  })
})

after(async () => {
  if (directory === '') return
  for (const side of SIDES) await run(['sh', '-c', '$P rm -t 0 -fa; $P pod rm -fa'], { env: envOf(side) })
  await run(['sh', '-c', 'grep -o " $1[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l', 'sh', directory])
  await rm(directory, { recursive: true, force: true })
})

/** What hooks were told, and where they stood. Older runtimes call a container that has been started created, and take
 *  createContainer's hooks to its root. */
const SHOW_STATES = `
import json, sys
for name in sys.argv[1:]:
    text = open(name).read()
    state, end = json.JSONDecoder().raw_decode(text)
    status = state['status'] if name != 'poststart' else ''
    print(name, state['ociVersion'], state['id'], status, state.get('pid', 0) > 0, state['bundle'], text[end:].strip() if name != 'createContainer' else '')
    for key in sorted(state['annotations']): print(' ', key, state['annotations'][key])
`

/** From nothing, by every kind of step that runs something or changes whose it is. */
async function makeBuildContext(context: string): Promise<void> {
  await mkdir(join(context, 'data'), { recursive: true })
  await must(['sh', '-c', 'cp -rP "$1"/bin "$1"/etc "$2"', 'sh', join(directory, 'tree'), context])
  await writeFile(join(context, 'data/file'), 'copied\n')
  const lines = [
    'FROM scratch AS first',
    'COPY bin /bin',
    'COPY etc /etc',
    'ENV PATH=/bin A=1',
    'RUN mkdir -p /tmp /work && chmod 1777 /tmp && id > /work/id && chown user /work',
    'FROM first',
    'COPY --from=first /work /work',
    'WORKDIR /work/below',
    'COPY data .',
    'USER 1000',
    'RUN ["sh", "-c", "cat /work/id file; id; pwd; umask; echo $A; grep -E \\"^(Cap|NoNewPrivs|Seccomp)\\" /proc/self/status; cat /proc/self/limits"]',
    'USER root',
    'RUN cat /work/id file >/made; echo "$(id -u) $(pwd) $A" >>/made; grep -E "^(Cap|Seccomp)" /proc/self/status >>/made; ls -la /work >/dev/null',
    'USER user:audio',
    'CMD ["cat", "/made"]',
  ]
  await writeFile(join(context, 'Dockerfile'), `${lines.join('\n')}\n`)
  await writeFile(
    join(context, 'Dockerfile.fails'),
    `${lines.slice(0, 5).join('\n')}\nRUN echo before; no-such-program; exit 7\n`,
  )
}

/** A hook for every stage, which keeps what it was told; with `hooked=fails` a createRuntime hook that fails. */
async function makeHooks(side: Side): Promise<void> {
  const own = join(directory, `own-${side.name}`)
  const hooks = join(directory, `hooks-${side.name}`)
  await mkdir(own)
  await mkdir(hooks)
  const write = async (name: string, annotation: string, stages: string[], args: string[]) => {
    const path = stages.includes('startContainer') ? '/bin/busybox' : '/bin/sh'
    const hook = {
      version: '1.0.0',
      hook: { path, args, env: ['PATH=/bin:/usr/bin'] },
      when: { annotations: { '^hooked$': annotation } },
      stages,
    }
    await writeFile(join(hooks, `${name}.json`), JSON.stringify(hook))
  }
  for (const stage of ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'])
    await write(
      stage,
      '^yes$',
      [stage],
      ['sh', '-c', `cat >>${own}/${stage}; [ $PATH = /bin:/usr/bin ] && pwd >>${own}/${stage}`],
    )
  await write('startContainer', '^yes$', ['startContainer'], ['sh', '-c', 'cat >/dev/null; mkdir /hook-was-here'])
  await write('fails', '^fails$', ['createRuntime'], ['sh', '-c', 'echo told >&2; exit 3'])
}

describe('run', { skip, concurrency: 3 }, () => {
  for (const line of parseLines(RUNS)) test(line.script, () => assertSame(line, comparison))
})

describe('what a container sees', { skip, concurrency: 3 }, () => {
  for (const flags of PROBED)
    test(flags === '' ? 'without flags' : flags, () =>
      assertSame({ code: 0, script: `$P run --rm -v $F/probe:/probe:ro ${flags} $I sh /probe` }, comparison),
    )
})

describe('a running container', { skip, concurrency: 3 }, () => {
  const start = `$P run -d --name $C --health-cmd 'echo well' $I sh -c 'trap "echo usr1" USR1; trap "exit 7" TERM; while :; do sleep 0.05; done' >/dev/null`
  for (const line of parseLines(LIVES))
    test(line.script, () => assertSame({ code: line.code, script: `${start}; ${line.script}` }, comparison))
})

describe('what podman looks after', { skip, concurrency: 3 }, () => {
  for (const line of parseLines(TENDED)) test(line.script, () => assertSame(line, comparison))
})

test('a program whose interpreter is missing is refused at its start', { skip }, async () => {
  // runc lets the container run, and end with 1.
  const env = { ...envOf(OURS), C: 'interpreter' }
  const { code, stderr } = await run(['sh', '-c', '$P run --rm $I /bin/bad-interpreter'], { env, cwd: directory })
  assert.match(stderr, /exec \/bin\/bad-interpreter: no such file or directory/)
  assert.equal(code, OURS.path === THEIRS.path ? 1 : 126, stderr)
})

describe('checkpoint and restore', { skip: skip || (await skipWithoutCriu()) }, () => {
  for (const line of parseLines(SAVED)) test(line.script, () => assertSame(line, comparison))
})
