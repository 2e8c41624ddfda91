// Mounts what a volume of the local driver is made of. A server or a disk may keep mount(2) waiting for minutes, so that whatever is not known to be
// quick is mounted by a thread of its own.
import { promises as dns } from 'node:dns'
import { isIPv4 } from 'node:net'
import { Worker } from 'node:worker_threads'
import { Failure, messageOf } from '../../base/failure.ts'
import { MNT_DETACH, UMOUNT_NOFOLLOW } from '../../linux/constants.ts'
import { errnoText, KernelError } from '../../linux/kernel-error.ts'
import type { Kernel } from '../../linux/kernel.ts'
import { type MountStep, planMount } from './mount-flags.ts'

export interface FileSystemRequest {
  target: string
  type: string
  device: string
  options: string
}

export interface FileSystemMounter {
  /** Throws Failure in the words of Docker's mount package. */
  mount(request: FileSystemRequest): Promise<void>
  /** Lazily; whoever still has a file open keeps it. */
  unmount(target: string): void
}

export interface MountJob {
  target: string
  steps: MountStep[]
}

export type MountAnswer = { failed?: { step: number; errno: number } }

const QUICK_TYPES = new Set(['', 'none', 'tmpfs', 'bind'])
const NETWORK_TYPES = new Set(['nfs', 'nfs4', 'cifs'])

export function openFileSystemMounter(
  kernel: Kernel,
  resolve: (host: string) => Promise<string> = async (host) => (await dns.lookup(host)).address,
): FileSystemMounter {
  return {
    async mount(request) {
      const resolved = await withAddresses(request, resolve)
      const job = { target: request.target, steps: planMount(resolved) }
      const { failed } = QUICK_TYPES.has(request.type) ? runMountJob(kernel, job) : await runInThread(job)
      if (failed !== undefined) throw mountFailure(job, failed)
    },
    unmount: (target) => kernel.umount(target, MNT_DETACH | UMOUNT_NOFOLLOW),
  }
}

export function runMountJob(kernel: Kernel, { target, steps }: MountJob): MountAnswer {
  for (const [step, { source, fstype, flags, data }] of steps.entries()) {
    try {
      kernel.mount(source, target, fstype, flags, data)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      if (step > 0) kernel.umount(target, MNT_DETACH | UMOUNT_NOFOLLOW)
      return { failed: { step, errno: error.errno } }
    }
  }
  return {}
}

function runInThread(job: MountJob): Promise<MountAnswer> {
  const worker = new Worker(new URL('./mount-worker.js', import.meta.url), { workerData: job })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Failure('internal', `the thread that mounts ended with ${code}`)))
  })
}

/** The kernel wants addresses where people write names (nfs(5): `addr=`; mount.cifs(8): `addr=`, or the host of the share). */
async function withAddresses(
  request: FileSystemRequest,
  resolve: (host: string) => Promise<string>,
): Promise<FileSystemRequest> {
  if (!NETWORK_TYPES.has(request.type)) return request
  const given = request.options
    .split(',')
    .find((option) => option.startsWith('addr='))
    ?.slice('addr='.length)
  if (given !== undefined && given !== '') {
    if (isIPv4(given)) return request
    return { ...request, options: request.options.replace(`addr=${given}`, `addr=${await addressOf(given, resolve)}`) }
  }
  if (request.type !== 'cifs') return request
  const [, host, rest] = /^(?:[a-z]+:)?\/\/([^/]+)(.*)$/is.exec(request.device) ?? []
  if (host === undefined || isIPv4(host)) return request
  return { ...request, device: `//${await addressOf(host, resolve)}${rest}` }
}

async function addressOf(host: string, resolve: (host: string) => Promise<string>): Promise<string> {
  try {
    return await resolve(host)
  } catch (error) {
    const why = `lookup ${host}: ${(error as NodeJS.ErrnoException).code === 'ENOTFOUND' ? 'no such host' : messageOf(error)}`
    throw new Failure('unknown', `error resolving passed in network volume address: ${why}`, { cause: error })
  }
}

/** Everything that was asked of the kernel, but for a password, which cifs takes under several names. */
function mountFailure({ target, steps }: MountJob, { step, errno }: { step: number; errno: number }): Failure {
  const { source, flags, data } = steps[step] ?? { source: undefined, flags: 0, data: undefined }
  const what = source ? `${source}:${target}` : target
  const details = `${flags === 0 ? '' : `, flags: 0x${flags.toString(16)}`}${data === undefined ? '' : `, data: ${withoutPassword(data)}`}`
  return new Failure('unknown', `mount ${what}${details}: ${errnoText(errno)}`)
}

function withoutPassword(data: string): string {
  return data.replace(/(^|,)(pass(?:word)?2?)=[^,]*/g, '$1$2=********')
}
