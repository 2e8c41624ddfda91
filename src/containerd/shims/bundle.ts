// A task's bundle as shims expect it: config.json, the place of the root file system, a directory on disk, and what finds the shim again.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readTextIfExists, replaceFileSync } from '../../base/atomic-file.ts'
import { checkIdentifier } from '../identifier.ts'
import { unmountAll } from '../tasks/open-rootfs.ts'
import { type Endpoint, parseStartAnswer } from './start-answer.ts'
import type { ShimHost } from './shim-host.ts'

export interface Bundle {
  readonly namespace: string
  readonly id: string
  readonly path: string
}

const PROGRAM_FILE = 'shim-binary-path'
const ENDPOINT_FILE = 'bootstrap.json'
/** Of older daemons and shims. */
const ADDRESS_FILE = 'address'

export function bundleOf(host: ShimHost, namespace: string, id: string): Bundle {
  return { namespace, id, path: join(host.state, checkIdentifier(namespace), checkIdentifier(id)) }
}

/** A bundle that no task owns is what a crash left: it is replaced. `removeBundle` takes it away. */
export async function makeBundle(
  host: ShimHost,
  { namespace, id, spec }: { namespace: string; id: string; spec: Uint8Array },
): Promise<Bundle> {
  const bundle = bundleOf(host, namespace, id)
  await removeBundle(host, bundle)
  const work = join(host.root, namespace, id)
  await rm(work, { recursive: true, force: true })
  mkdirSync(dirname(bundle.path), { recursive: true, mode: 0o711 })
  mkdirSync(bundle.path, { mode: 0o700 })
  admitContainerRoot(bundle.path, spec)
  mkdirSync(join(bundle.path, 'rootfs'), { mode: 0o711 })
  mkdirSync(work, { recursive: true, mode: 0o711 })
  symlinkSync(work, join(bundle.path, 'work'))
  writeFileSync(join(bundle.path, 'config.json'), spec)
  return bundle
}

/** In a user namespace the container's root is somebody on the host who must be able to reach the root file system. */
function admitContainerRoot(path: string, spec: Uint8Array): void {
  const gid = hostGidOfRoot(JSON.parse(Buffer.from(spec).toString('utf8')))
  if (gid === 0) return
  chownSync(path, process.geteuid?.() ?? 0, gid)
  chmodSync(path, 0o710)
}

function hostGidOfRoot(spec: { linux?: { gidMappings?: { containerID: number; hostID: number }[] } } | null): number {
  return spec?.linux?.gidMappings?.find(({ containerID }) => containerID === 0)?.hostID ?? 0
}

/** Unmounts what is left of the root file system; the directories vanish under their names at once. Safe to repeat. */
export async function removeBundle(host: ShimHost, { path }: Bundle): Promise<void> {
  const work = workOf(path)
  const rootfs = join(path, 'rootfs')
  for (const mount of mountsBelow(rootfs)) unmountAll(host.kernel, mount)
  // What would still be mounted there is somebody's data: an empty directory is all that goes.
  if (existsSync(rootfs)) rmdirSync(rootfs)
  await removeAtOnce(path)
  if (work !== undefined) await removeAtOnce(work)
}

function workOf(path: string): string | undefined {
  try {
    return readlinkSync(join(path, 'work'))
  } catch {
    return undefined
  }
}

/** The deepest first. */
function mountsBelow(directory: string): string[] {
  const targets = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    )
  return targets.filter((target) => target === directory || target.startsWith(`${directory}/`)).reverse()
}

/** A name that begins with a dot is no bundle, whatever is still in it after a crash. */
async function removeAtOnce(path: string): Promise<void> {
  const hidden = join(dirname(path), `.${basename(path)}`)
  await rm(hidden, { recursive: true, force: true })
  if (!existsSync(path)) return
  renameSync(path, hidden)
  await rm(hidden, { recursive: true, force: true })
}

/** Before the shim is started, so that what a crash leaves can be cleaned up after by its own program. */
export function writeProgram({ path }: Bundle, program: string): void {
  replaceFileSync(join(path, PROGRAM_FILE), program)
}

export function readProgram({ path }: Bundle): string | undefined {
  return readTextIfExists(join(path, PROGRAM_FILE)) || undefined
}

export function writeEndpoint({ path }: Bundle, endpoint: Endpoint): void {
  replaceFileSync(join(path, ENDPOINT_FILE), JSON.stringify(endpoint), 0o644)
}

/** Undefined where the shim had not answered yet. Throws for what makes no sense. */
export function readEndpoint({ path }: Bundle): Endpoint | undefined {
  const text = readTextIfExists(join(path, ENDPOINT_FILE)) ?? readTextIfExists(join(path, ADDRESS_FILE))
  return text === undefined ? undefined : parseStartAnswer(Buffer.from(text))
}
