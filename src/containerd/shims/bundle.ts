// A task's bundle as shims expect it: config.json, the place of the root file system, a directory on disk, and what finds the shim again.
import { existsSync, mkdirSync, readlinkSync, renameSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readTextIfExists, replaceFileSync } from '../../base/atomic-file.ts'
import { list, natural, object, text } from '../../runtime/json-shape.ts'
import { checkIdentifier } from '../identifier.ts'
import type { Any } from '../../wire/shim-v2/messages.ts'
import { admitContainerRoot } from '../tasks/admit-container-root.ts'
import { jsonOf } from '../tasks/json-of.ts'
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

/** A bundle that no task owns is what a crash left: it is replaced. `removeBundle` takes it away, also a part of it. Throws `invalid-argument` for a spec that is none. */
export async function makeBundle(
  host: ShimHost,
  { namespace, id, spec }: { namespace: string; id: string; spec: Any | undefined },
): Promise<Bundle> {
  const bundle = bundleOf(host, namespace, id)
  const parsed = jsonOf(spec)
  await removeBundle(host, bundle)
  const work = join(host.root, namespace, id)
  await rm(work, { recursive: true, force: true })
  mkdirSync(dirname(bundle.path), { recursive: true, mode: 0o711 })
  mkdirSync(bundle.path, { mode: 0o700 })
  admitContainerRoot(bundle.path, parseSpec(parsed, '').linux?.gidMappings)
  mkdirSync(join(bundle.path, 'rootfs'), { mode: 0o711 })
  mkdirSync(work, { recursive: true, mode: 0o711 })
  symlinkSync(work, join(bundle.path, 'work'))
  writeFileSync(join(bundle.path, 'config.json'), spec?.value ?? '')
  return bundle
}

/** All that is ours to know of a spec that another's runtime is to read. */
interface KnownSpec {
  linux?: { cgroupsPath?: string; gidMappings?: { containerID: number; hostID: number }[] }
}

const parseSpec = object<KnownSpec>({
  linux: object<NonNullable<KnownSpec['linux']>>({
    cgroupsPath: text,
    gidMappings: list(object({ containerID: natural, hostID: natural }, 'containerID', 'hostID')),
  }),
})

/** Undefined where there is none, or one in systemd's words. */
export function readCgroupsPath({ path }: Bundle): string | undefined {
  try {
    const { linux } = parseSpec(JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')), '')
    return linux?.cgroupsPath?.startsWith('/') ? linux.cgroupsPath : undefined
  } catch {
    return undefined // a crash came before it was written whole
  }
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
