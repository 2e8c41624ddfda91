// What happens to tasks, as data; services/tasks.ts turns it into containerd's messages under `/tasks/…`.
import type { RootfsMount } from './open-rootfs.ts'
import type { TaskStreams } from './task.ts'

export type TaskEvent =
  | {
      kind: 'create'
      id: string
      bundle: string
      pid: number
      streams: TaskStreams
      rootfs: readonly RootfsMount[]
      checkpoint: string
    }
  | { kind: 'start'; id: string; pid: number }
  | { kind: 'exec-added'; id: string; execId: string }
  | { kind: 'exec-started'; id: string; execId: string; pid: number }
  /** `processId` is the container's id for the first process, as containerd does it. */
  | { kind: 'exit'; id: string; processId: string; pid: number; status: number; exitedAtNs: bigint }
  | { kind: 'delete'; id: string; pid: number; status: number; exitedAtNs: bigint }
  | { kind: 'oom'; id: string }
  | { kind: 'paused'; id: string }
  | { kind: 'resumed'; id: string }
  | { kind: 'checkpointed'; id: string; checkpoint: string }
