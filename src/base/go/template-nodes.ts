// A template as a tree; nodes know where they stand and how Go prints them.

export interface Place {
  /** Offset of the node in the template, as Go reports it. */
  readonly at: number
  /** The node as Go prints it. */
  readonly source: string
}

export type Expression = Place &
  (
    | { readonly kind: 'dot' | 'nil' }
    | { readonly kind: 'field'; readonly path: readonly string[] }
    | { readonly kind: 'variable'; readonly name: string; readonly path: readonly string[] }
    | { readonly kind: 'literal'; readonly value: unknown }
    | { readonly kind: 'identifier'; readonly name: string }
    | { readonly kind: 'pipeline'; readonly pipeline: Pipeline }
    /** Fields of what stands before them: `(index .A 0).B`. */
    | { readonly kind: 'chain'; readonly of: Expression; readonly path: readonly string[] }
  )

export interface Pipeline extends Place {
  /** `$x :=` and `$k, $v :=`; with `isAssignment` `$x =`. */
  readonly variables: readonly string[]
  readonly isAssignment: boolean
  readonly commands: readonly (readonly Expression[])[]
}

export interface Block {
  readonly pipeline: Pipeline
  readonly body: readonly Node[]
  readonly otherwise: readonly Node[]
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipeline: Pipeline }
  | ({ readonly kind: 'if' | 'with' | 'range' } & Block)
  | { readonly kind: 'break' | 'continue' }
  | ({ readonly kind: 'template'; readonly name: string; readonly pipeline: Pipeline | undefined } & Place)

export interface Template {
  readonly source: string
  readonly body: readonly Node[]
  readonly named: ReadonlyMap<string, readonly Node[]>
}
