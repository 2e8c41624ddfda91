// The event stream's messages, `GET /events`.

export type EventType = 'builder' | 'container' | 'daemon' | 'image' | 'network' | 'plugin' | 'volume'

export interface EventActor {
  readonly ID: string
  readonly Attributes: Readonly<Record<string, string>>
}

export interface EventMessage {
  readonly Type: EventType
  readonly Action: string
  readonly Actor: EventActor
  readonly scope: 'local'
  /** Unix seconds. */
  readonly time: number
  /** Unix nanoseconds: more than a JavaScript number can hold. */
  readonly timeNano: bigint
}
