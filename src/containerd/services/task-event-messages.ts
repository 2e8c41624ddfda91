// Task events as containerd publishes them: topic and message.
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import {
  TaskCheckpointedSchema,
  TaskCreateSchema,
  TaskDeleteSchema,
  TaskExecAddedSchema,
  TaskExecStartedSchema,
  TaskExitSchema,
  TaskOOMSchema,
  TaskPausedSchema,
  TaskResumedSchema,
  TaskStartSchema,
} from '../../gen/events/task_pb.ts'
import type { TaskEvent } from '../tasks/task-events.ts'
import { timestampOf } from './timestamp.ts'

export interface EventMessage {
  topic: string
  schema: DescMessage
  message: MessageShape<DescMessage>
}

export function messageOfTaskEvent(event: TaskEvent): EventMessage {
  const containerId = event.id
  switch (event.kind) {
    case 'create':
      return pack(
        '/tasks/create',
        TaskCreateSchema,
        create(TaskCreateSchema, {
          containerId,
          bundle: event.bundle,
          pid: event.pid,
          io: event.streams,
          rootfs: event.rootfs.map(({ type, source, target, options }) => ({
            type,
            source,
            target,
            options: [...options],
          })),
          checkpoint: event.checkpoint,
        }),
      )
    case 'start':
      return pack('/tasks/start', TaskStartSchema, create(TaskStartSchema, { containerId, pid: event.pid }))
    case 'exec-added':
      return pack(
        '/tasks/exec-added',
        TaskExecAddedSchema,
        create(TaskExecAddedSchema, { containerId, execId: event.execId }),
      )
    case 'exec-started':
      return pack(
        '/tasks/exec-started',
        TaskExecStartedSchema,
        create(TaskExecStartedSchema, { containerId, execId: event.execId, pid: event.pid }),
      )
    case 'exit': {
      const { processId: id, pid, status: exitStatus, exitedAtNs } = event
      return pack(
        '/tasks/exit',
        TaskExitSchema,
        create(TaskExitSchema, { containerId, id, pid, exitStatus, exitedAt: timestampOf(exitedAtNs) }),
      )
    }
    case 'delete': {
      const { pid, status: exitStatus, exitedAtNs } = event
      return pack(
        '/tasks/delete',
        TaskDeleteSchema,
        create(TaskDeleteSchema, { containerId, pid, exitStatus, exitedAt: timestampOf(exitedAtNs) }),
      )
    }
    case 'checkpointed': {
      const { checkpoint } = event
      return pack(
        '/tasks/checkpointed',
        TaskCheckpointedSchema,
        create(TaskCheckpointedSchema, { containerId, checkpoint }),
      )
    }
    case 'oom':
      return pack('/tasks/oom', TaskOOMSchema, create(TaskOOMSchema, { containerId }))
    case 'paused':
      return pack('/tasks/paused', TaskPausedSchema, create(TaskPausedSchema, { containerId }))
    case 'resumed':
      return pack('/tasks/resumed', TaskResumedSchema, create(TaskResumedSchema, { containerId }))
  }
}

function pack<D extends DescMessage>(topic: string, schema: D, message: MessageShape<D>): EventMessage {
  return { topic, schema, message }
}
