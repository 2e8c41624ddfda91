// Drop-in proofs: the same shell line with runc and with the runtime under test, and what a caller sees of both.
import assert from 'node:assert/strict'
import { readlinkSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type CommandResult, must, run } from './command.ts'
import { makeBusyboxTree } from './images.ts'
import { findProgram, RUNTIME } from './runtime.ts'

/** One side of a comparison. `name` is how the caller knows the runtime, `path` the program. */
export interface Side {
  name: 'berth' | 'runc'
  path: string
}

export const OURS: Side = { name: 'berth', path: RUNTIME }
export const THEIRS: Side = { name: 'runc', path: findProgram('runc') ?? 'runc' }

export const SIDES: readonly Side[] = [OURS, THEIRS]

/** `code` is the script's exit code on both sides, so that two failures are no success. */
export interface Line {
  code: number
  /** Both sides' standard error has these words; what else it says may differ. Absent: it is the same. */
  words?: string
  script: string
}

/** `<code> | <script>` or `<code> ~<words> | <script>`, one a line; a line that starts with a blank continues the one before. */
export function parseLines(text: string): Line[] {
  return text
    .trim()
    .replaceAll(/\n[ \t]+/g, ' ')
    .split('\n')
    .map((line) => {
      const [, code, words, script] = /^(\d+)(?: ~(.+?))? \| (.+)$/.exec(line) ?? []
      if (code === undefined || script === undefined) throw new Error(`no command line: ${line}`)
      return { code: Number(code), script, ...(words === undefined ? {} : { words }) }
    })
}

/** Shell functions for the scripts. `until_says <text> <command…>` waits until the command prints just that. */
export const PRELUDE = `
until_says() {
  want=$1; shift; end=$(($(date +%s) + 30))
  while said=$("$@" 2>&1); [ "$said" != "$want" ]; do
    [ $(date +%s) -lt $end ] || { echo "$* never says $want, but $said"; return 1; }
    sleep 0.05
  done
}
pty() { script -qec "$*" /dev/null; }
# A group of that name, with what is below it: daemons remove their containers' groups some time after they have answered.
remove_groups() {
  end=$(($(date +%s) + 10))
  while find /sys/fs/cgroup -depth -type d -path "*/$1*" -exec rmdir '{}' ';' 2>/dev/null
    [ -n "$(find /sys/fs/cgroup -type d -path "*/$1*" 2>/dev/null)" ] && [ $(date +%s) -lt $end ]; do sleep 0.05; done
}
`

export interface Comparison {
  /** Environment of the scripts, for each side; $C, a container's name that no other script has, is added. */
  env: (side: Side) => Record<string, string>
  /** Where the scripts run: conmon leaves a file there when it hears of an OOM kill. */
  cwd: () => string
  /** Run after each script, whatever came of it. */
  cleanup: string
  /** Runs when a comparison fails: what it returns is shown with the difference. */
  explain?: () => string
}

/** Runs the line on both sides at once and insists on the same two streams and the same, expected exit code. */
export async function assertSame(line: Line, comparison: Comparison): Promise<void> {
  await insist(() => compareOnce(line, comparison))
}

/**
 * A difference must show every time: the peers have races of their own (what a client still prints of a terminal that is gone, when a control
 * group goes), and those come and go.
 */
export async function insist(compare: () => Promise<void>): Promise<void> {
  for (let left = ATTEMPTS - 1; ; left--)
    try {
      return await compare()
    } catch (error) {
      if (left === 0) throw error
    }
}

const ATTEMPTS = 3

async function compareOnce(line: Line, { env, cwd, cleanup, explain }: Comparison): Promise<void> {
  const number = ++count
  const results = await Promise.all(
    SIDES.map(async (side) => {
      const options = { env: { ...env(side), C: containerOf(side, number) }, cwd: cwd(), timeoutMs: 60_000 }
      try {
        const result = comparable(await run(['sh', '-c', `${PRELUDE}\n${line.script}`], options), side)
        return line.words !== undefined && result.stderr.includes(line.words)
          ? { ...result, stderr: line.words }
          : result
      } finally {
        await run(['sh', '-c', cleanup], options)
      }
    }),
  )
  const [ours, theirs] = results.map(describe)
  const expected = theirs?.[0] === `exit ${line.code}`
  if (isDeepStrictEqual(ours, theirs) && expected) return
  const difference = expected
    ? showDifference(theirs ?? [], ours ?? [])
    : `expected exit ${line.code}: ${theirs?.join('\n')}`
  assert.fail(`${line.script}\n${difference}\n${explain?.() ?? ''}`)
}

function describe({ code, stdout, stderr }: CommandResult): string[] {
  const stream = (name: string, text: string) => text.split('\n').map((words) => `${name} ${words}`)
  return [`exit ${code}`, ...stream('stdout', stdout), ...stream('stderr', stderr)]
}

/** Lines that only one side has, in their order: `-` theirs, `+` ours. */
export function showDifference(theirs: readonly string[], ours: readonly string[]): string {
  const only = (mine: readonly string[], others: readonly string[], mark: string) => {
    const left = [...others]
    return mine
      .filter((words) => {
        const at = left.indexOf(words)
        if (at >= 0) left.splice(at, 1)
        return at < 0
      })
      .map((words) => `${mark} ${words}`)
  }
  const lines = [...only(theirs, ours, '-'), ...only(ours, theirs, '+')]
  return lines.length === 0 ? 'the same lines in another order' : lines.join('\n')
}

let count = 0
const containerOf = (side: Side, number: number) => `c-${side.name}-${number}`

/** What two containers cannot have in common: ids, moments, the runtime's own name and place. */
function comparable({ code, stdout, stderr }: CommandResult, side: Side): CommandResult {
  const normalise = (text: string) =>
    text
      .replaceAll(side.path, '<runtime>')
      .replace(new RegExp(`c-${side.name}-\\d+`, 'g'), '<container>')
      .replace(/\b[0-9a-f]{64}\b/g, '<id>')
      .replace(/\b[0-9a-f]{12}\b/g, '<short id>')
      .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)?/g, '<time>')
      .replace(/\b([a-z]+:\[\d+\])/g, (name) => (HOST_NAMESPACES.has(name) ? '<host namespace>' : '<own namespace>'))
      .replaceAll('^@', '') // echo of the end of input, where it comes before the terminal is raw
  return { code, stdout: normalise(stdout), stderr: normalise(stderr) }
}

const HOST_NAMESPACES = new Set(
  ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'time', 'user', 'uts'].map((kind) => readlinkSync(`/proc/self/ns/${kind}`)),
)

/**
 * A script for busybox that prints whatever a process can see of how it was made, in an order and with words that do not change from one
 * container to the next. Mounts are shown without numbers, block device numbers, overlay directories, and without what the sides may well do
 * in ways of their own: a superblock's own read-only flag, what a masked directory forbids besides, modes (which are shown of the directories).
 */
export const PROBE = String.raw`
# glibc's posix_spawn leaves signals 32 and 33 ignored, and runc passes that on from whoever started the test; ours resets them.
without_thread_signals() { sed -E 's/^(SigIgn:[^0-9]*0{7})[01][08]/\100/'; }
echo "== process"; id; pwd; umask; env | sort
grep -E '^(State|Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Cpus_allowed_list|Mems_allowed_list|Shd|SigBlk|SigIgn|SigCgt|THP)' /proc/self/status | without_thread_signals
grep -E '^(Cap|NoNewPrivs|Seccomp|Umask|SigBlk|SigIgn)' /proc/1/status | without_thread_signals
[ "$(cut -d' ' -f6-7 /proc/self/stat)" = "$(cut -d' ' -f6-7 /proc/1/stat)" ] && echo "session and terminal of the first process"; cat /proc/self/oom_score_adj /proc/self/limits /proc/self/coredump_filter
tr '\0' ' ' </proc/1/cmdline; echo
for fd in /proc/self/fd/*; do echo "$fd $(readlink $fd)"; done | sed -E 's/\[[0-9]+\]//'
for ns in /proc/self/ns/*; do echo "$ns $(readlink $ns)"; done
echo "== mounts"
sed -E 's/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //; s#^/ /sys/fs/cgroup r[ow],#/ /sys/fs/cgroup #; s/(lowerdir|upperdir|workdir)=[^,]*/\1/g; s/(master|shared|propagate_from):[0-9]+/\1/g; s/,(nr_inodes=1|mode=[0-7]+)//; s/ - (tmpfs tmpfs|sysfs sysfs) r[ow]/ - \1/
  s/ - cgroup [a-z]+/ - cgroup/; s#^/ ([^ ]+) ro,(nosuid,nodev,noexec,)?relatime - tmpfs tmpfs(,uid=[0-9]+,gid=[0-9]+)?$#/ \1 masked#
  s#^(/ / r[ow],relatime) master#\1#' /proc/self/mountinfo | sort
echo "== files"
find /dev ! -name mqueue | sort | while read f; do stat -c '%n %F %a %u:%g %t:%T' "$f"; done
for f in / /proc /sys /dev/shm /dev/pts /tmp /run /etc /var /root /t /b /f; do [ -e $f ] && stat -c '%n %F %a %u:%g' $f; done
for f in /dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx /dev/core; do echo "$f $(readlink $f)"; done
for f in /proc/kcore /proc/keys /proc/timer_list /proc/sysrq-trigger /sys/firmware /sys/kernel/x /x; do
  (: <$f) 2>/dev/null && echo "$f reads" || echo "$f no"
  (: >$f) 2>/dev/null && echo "$f writes" || echo "$f stays"
done 2>/dev/null
echo "== kernel"
sed -E 's/^[0-9]+://' /proc/self/cgroup | sort
for f in memory.limit_in_bytes memory.memsw.limit_in_bytes memory.soft_limit_in_bytes memory.swappiness memory.oom_control cpu.shares cpu.cfs_quota_us cpu.cfs_period_us cpuset.cpus cpuset.mems pids.max blkio.bfq.weight; do
  for d in /sys/fs/cgroup/*/$f; do [ -e "$d" ] && echo "$d: $(cat $d | tr '\n' ';')"; done
done
# Older runtimes allow tunnels, newer ones and ours the console.
tr -d '\r' </sys/fs/cgroup/devices/devices.list | grep -vE '^c (10:200|5:1) ' | sort
for f in kernel/hostname kernel/domainname kernel/shmmax fs/mqueue/msg_max net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range net/ipv4/ip_forward; do echo "$f $(cat /proc/sys/$f 2>&1)"; done
ip link 2>/dev/null | grep -oE '^[0-9]+: [a-z]+' | cut -d' ' -f2 | grep -v veth; ip -o addr show lo 2>/dev/null | sed -E 's/ +/ /g'
chroot / true 2>&1; mknod /tmp/n c 1 3 2>&1; umount /dev/shm 2>&1; hostname x 2>&1; true
`

/** busybox, a script whose interpreter is missing, and a set-user-id `su` that asks for no password. */
export async function makeProbedTree(root: string): Promise<void> {
  await makeBusyboxTree(root)
  await writeFile(join(root, 'bin/bad-interpreter'), '#!/no/such/interpreter\n')
  await chmod(join(root, 'bin/bad-interpreter'), 0o755)
  await must(['sh', '-ec', 'rm bin/su; cp bin/busybox bin/su; chmod 4755 bin/su; sed -i s/root:x/root:/ etc/passwd'], {
    cwd: root,
  })
}
