// A real systemd as the init of namespaces of its own: processes, mounts, control groups. Nothing of the host's is started or seen.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { until } from './cgroups.ts'

export const SYSTEMD = '/lib/systemd/systemd'
const ROOT = '/sys/fs/cgroup'

/** A user whose manager `startUserManager` starts. */
export const USER = 65534

export interface TestSystemd extends AsyncDisposable {
  /** Runs a program beside it, as its system's root. */
  run(command: readonly string[], env?: NodeJS.ProcessEnv): { status: number | null; stdout: string; stderr: string }
  log(): string
}

/** `withBus`: a message bus, or nothing but systemd's own socket. */
export async function startSystemd({ version, withBus }: { version: 1 | 2; withBus: boolean }): Promise<TestSystemd> {
  const name = `berth-test-systemd-${process.pid}-${version}`
  const own = ownGroups(name)
  const script = [
    'set -e',
    ...own.map((directory) => `echo 0 >${directory}/cgroup.procs`),
    'mount --make-rprivate /',
    `exec unshare --cgroup sh -c '${insideScript(version, withBus).replaceAll("'", `'\\''`)}'`,
  ].join('\n')
  for (const directory of own) mkdirSync(directory)
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    for (const directory of own.filter((each) => existsSync(join(each, file))))
      writeFileSync(join(directory, file), readFileSync(join(directory, '..', file)))
  // It dies with this process, however that ends.
  const command = ['--pdeathsig', 'KILL', 'unshare', '--mount', 'sh', '-c', script]
  const shell = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  for (const stream of [shell.stdout, shell.stderr])
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString()
    })
  const stop = async (pid: number | undefined) => {
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    else shell.kill('SIGKILL')
    if (shell.exitCode === null && shell.signalCode === null) await once(shell, 'exit')
    for (const directory of own) await removeTree(directory)
  }
  let init: number | undefined
  try {
    await until(() => {
      init = childOf(shell)
      return init !== undefined && isReady(init, withBus)
    }, `systemd (${log})`)
  } catch (error) {
    await stop(init)
    throw new Error(`systemd did not come up: ${log}`, { cause: error })
  }
  return {
    run(command, env = {}) {
      const args = ['-t', String(init), '-m', '-p', '-C', ...command]
      return spawnSync('nsenter', args, {
        encoding: 'utf8',
        timeout: 60_000,
        env: { PATH: process.env['PATH'], ...env },
      })
    },
    log: () => log,
    [Symbol.asyncDispose]: () => stop(init),
  }
}

/** Whether systemd can be tried here at all. */
export function whyNoSystemd(): string | false {
  if (!existsSync(SYSTEMD)) return 'not installed: systemd'
  return existsSync(`${ROOT}/unified/cgroup.procs`) ? false : 'no hybrid hierarchy to give it a part of'
}

function ownGroups(name: string): string[] {
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(ROOT, entry.name, 'cgroup.procs')))
    .map((entry) => join(ROOT, entry.name, name))
}

/** In the control group namespace: hierarchies, an empty /run, units of our own, and then systemd in a PID namespace. */
function insideScript(version: 1 | 2, withBus: boolean): string {
  const v1 = ownGroups('').flatMap((each) => (/unified|systemd/.test(each) ? [] : [basename(each)]))
  const hierarchies =
    version === 2
      ? [`mount -t cgroup2 cgroup2 ${ROOT}`]
      : [
          `mount -t tmpfs -o mode=755 tmpfs ${ROOT}`,
          ...v1.map((each) => `mkdir ${ROOT}/${each} && mount -t cgroup -o ${each} cgroup ${ROOT}/${each}`),
          `mkdir ${ROOT}/systemd && mount -t cgroup -o none,name=systemd cgroup ${ROOT}/systemd`,
          `mkdir ${ROOT}/unified && mount -t cgroup2 cgroup2 ${ROOT}/unified`,
        ]
  const units = withBus ? ['dbus.service', 'dbus.socket'] : []
  return [
    'set -e',
    `umount --recursive --lazy ${ROOT}`,
    ...hierarchies,
    'mount -t tmpfs -o mode=755 tmpfs /run',
    `mkdir -p /run/units /run/lock /run/dbus /run/user/${USER}`,
    `chown ${USER}:${USER} /run/user/${USER}`,
    'mkdir /run/user-units',
    ...['units', 'user-units'].map(
      (each) => `printf '[Unit]\\nDefaultDependencies=no\\n' >/run/${each}/default.target`,
    ),
    ...units.map(
      (unit) =>
        `cp /lib/systemd/system/${unit} /run/units/ && printf '[Unit]\\nDefaultDependencies=no\\nWants=${unit}\\n' >>/run/units/default.target`,
    ),
    `printf '${USER_UNIT}' >/run/units/user.service`,
    'export SYSTEMD_UNIT_PATH=/run/units container=berth SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=notice',
    `exec unshare --pid --fork --kill-child --mount-proc --uts --ipc ${SYSTEMD} --system --unit=default.target --show-status=no`,
  ].join('\n')
}

/** `systemd --user`, as user@.service has it. */
const USER_UNIT = [
  '[Unit]',
  'DefaultDependencies=no',
  '[Service]',
  `User=${USER}`,
  'Type=notify',
  `Environment=XDG_RUNTIME_DIR=/run/user/${USER} HOME=/nonexistent SYSTEMD_UNIT_PATH=/run/user-units`,
  `ExecStart=${SYSTEMD} --user`,
  'Slice=user.slice',
  'Delegate=yes',
  'KillMode=mixed',
  '',
].join('\\n')

function childOf(shell: ChildProcess): number | undefined {
  try {
    const children = readFileSync(`/proc/${shell.pid}/task/${shell.pid}/children`, 'utf8').trim().split(' ')
    const pid = children.map(Number).find((each) => each > 0)
    return pid !== undefined && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'systemd' ? pid : undefined
  } catch {
    return undefined // it is not there yet
  }
}

/** By its root, since the tests' own /run is another. */
function isReady(init: number, withBus: boolean): boolean {
  const run = `/proc/${init}/root/run`
  if (!existsSync(`${run}/systemd/private`)) return false
  if (!withBus) return true
  if (!existsSync(`${run}/dbus/system_bus_socket`)) return false
  const args = [
    '-t',
    String(init),
    '-m',
    '-p',
    'busctl',
    'call',
    ...BUS,
    'NameHasOwner',
    's',
    'org.freedesktop.systemd1',
  ]
  return spawnSync('nsenter', args, { encoding: 'utf8', timeout: 10_000 }).stdout.trim() === 'b true'
}

const BUS = ['org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus']

async function removeTree(directory: string): Promise<void> {
  const deadline = performance.now() + 10_000
  for (;;) {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (entry.isDirectory()) await removeTree(join(directory, entry.name))
    try {
      return rmdirSync(directory)
    } catch (error) {
      assert.ok(performance.now() < deadline, `${directory}: ${String(error)}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
