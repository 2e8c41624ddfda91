// Task events as a shim forwards them: topic, type, and the bytes of the message (containerd.events).
import type { TaskEvent } from '../containerd/tasks/task-events.ts'
import { bool, message, nested, repeated, text, uint32 } from '../wire/protobuf/message.ts'
import { Mount, Timestamp, timestampOf } from '../wire/shim-v2/messages.ts'

const TaskIO = message({ stdin: text(1), stdout: text(2), stderr: text(3), terminal: bool(4) })

export const TaskCreate = message({
  containerId: text(1),
  bundle: text(2),
  rootfs: repeated(nested(3, Mount)),
  io: nested(4, TaskIO),
  checkpoint: text(5),
  pid: uint32(6),
})
export const TaskStart = message({ containerId: text(1), pid: uint32(2) })
export const TaskDelete = message({
  containerId: text(1),
  pid: uint32(2),
  exitStatus: uint32(3),
  exitedAt: nested(4, Timestamp),
  id: text(5),
})
export const TaskExit = message({
  containerId: text(1),
  id: text(2),
  pid: uint32(3),
  exitStatus: uint32(4),
  exitedAt: nested(5, Timestamp),
})
export const TaskExecAdded = message({ containerId: text(1), execId: text(2) })
export const TaskExecStarted = message({ containerId: text(1), execId: text(2), pid: uint32(3) })
/** Of oom, paused and resumed. */
export const TaskNamed = message({ containerId: text(1) })
export const TaskCheckpointed = message({ containerId: text(1), checkpoint: text(2) })

export interface PackedEvent {
  topic: string
  typeUrl: string
  value: Uint8Array
}

export function packEvent(event: TaskEvent): PackedEvent {
  const containerId = event.id
  switch (event.kind) {
    case 'create': {
      const { bundle, pid, streams: io, rootfs, checkpoint } = event
      return pack('create', 'TaskCreate', TaskCreate.encode({ containerId, bundle, rootfs, io, checkpoint, pid }))
    }
    case 'start':
      return pack('start', 'TaskStart', TaskStart.encode({ containerId, pid: event.pid }))
    case 'exec-added':
      return pack('exec-added', 'TaskExecAdded', TaskExecAdded.encode({ containerId, execId: event.execId }))
    case 'exec-started': {
      const { execId, pid } = event
      return pack('exec-started', 'TaskExecStarted', TaskExecStarted.encode({ containerId, execId, pid }))
    }
    case 'exit': {
      const { processId: id, pid, status: exitStatus } = event
      const exitedAt = timestampOf(event.exitedAtNs)
      return pack('exit', 'TaskExit', TaskExit.encode({ containerId, id, pid, exitStatus, exitedAt }))
    }
    case 'delete': {
      const { id, pid, status: exitStatus } = event
      const exitedAt = timestampOf(event.exitedAtNs)
      return pack('delete', 'TaskDelete', TaskDelete.encode({ containerId, id, pid, exitStatus, exitedAt }))
    }
    case 'checkpointed': {
      const value = TaskCheckpointed.encode({ containerId, checkpoint: event.checkpoint })
      return pack('checkpointed', 'TaskCheckpointed', value)
    }
    case 'oom':
      return pack('oom', 'TaskOOM', TaskNamed.encode({ containerId }))
    case 'paused':
      return pack('paused', 'TaskPaused', TaskNamed.encode({ containerId }))
    case 'resumed':
      return pack('resumed', 'TaskResumed', TaskNamed.encode({ containerId }))
  }
}

function pack(topic: string, type: string, value: Uint8Array): PackedEvent {
  return { topic: `/tasks/${topic}`, typeUrl: `containerd.events.${type}`, value }
}
