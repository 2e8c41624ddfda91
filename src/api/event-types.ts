// The event stream's messages, `GET /events`.

export type EventType = 'builder' | 'container' | 'daemon' | 'image' | 'network' | 'plugin' | 'volume'

export interface EventActor {
  readonly ID: string
  readonly Attributes: Readonly<Record<string, string>>
}

/** Who asked for what the event tells: the process at the other end of the unix socket, or where a TCP connection comes from. */
export type EventOrigin =
  | { readonly uid: number; readonly gid: number; readonly pid: number }
  | { readonly address: string }

export interface EventMessage {
  readonly Type: EventType
  readonly Action: string
  readonly Actor: EventActor
  readonly scope: 'local'
  /** Unix seconds. */
  readonly time: number
  /** Unix nanoseconds: more than a JavaScript number can hold. */
  readonly timeNano: bigint
  /** Grows with every event, whatever the clock does, also across restarts; not always by one. */
  readonly seq: number
  /** Undefined where nobody asked: a process ended by itself, a policy acted. */
  readonly by: EventOrigin | undefined
}
