// A FUSE file system that answers nothing: whoever looks into it waits for ever. Mounted in a process's mount namespace.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { startEngine, type TestEngine } from './berth.ts'
import { must } from './command.ts'
import { makeBusyboxTree } from './images.ts'

const PROGRAM = `
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def check(result, what):
    if result != 0: sys.exit(f'{what}: {os.strerror(ctypes.get_errno())}')
fuse = os.open('/dev/fuse', os.O_RDWR)
check(libc.setns(os.open(f'/proc/{sys.argv[1]}/ns/mnt', os.O_RDONLY), 0x20000), 'setns')
os.makedirs(sys.argv[2], exist_ok=True)
options = f'fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other'
check(libc.mount(b'hanging', sys.argv[2].encode(), b'fuse', 0, options.encode()), 'mount')
print('mounted', flush=True)
time.sleep(100000)
`

/** @param pid whose mount namespace. Disposal answers everybody who waits with an error, as the end of any such server does. */
export async function mountHangingFuse(pid: number, path: string): Promise<AsyncDisposable> {
  const child: ChildProcess = spawn('python3', ['-c', PROGRAM, String(pid), path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr?.on('data', (text: Buffer) => (complaint += text.toString()))
  const ended = once(child, 'exit')
  const mounted = once(child.stdout!, 'data')
  await Promise.race([mounted, ended.then(() => Promise.reject(new Error(complaint)))])
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** An engine with an image `busybox` and two containers of it that go on, `hung` and `well`. */
export async function startTwoContainers(): Promise<TestEngine> {
  const engine = await startEngine()
  const tree = `${engine.directory}/tree`
  await makeBusyboxTree(tree)
  await must(['sh', '-c', 'tar -C "$0" -c . | docker import - busybox', tree], { env: { DOCKER_HOST: engine.host } })
  for (const name of ['hung', 'well'])
    await engine.ok('run', '-d', '--name', name, '--net', 'none', 'busybox', 'sleep', '100000')
  return engine
}
