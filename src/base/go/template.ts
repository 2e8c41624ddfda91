// Go's text/template, as far as `--format` needs it: fields, methods, pipelines, if, range, with, variables, and Docker's functions.
import { messageOf } from '../failure.ts'
import { TemplateError } from './template-error.ts'
import { FUNCTIONS, HEADER_FUNCTIONS, isTrue, type TemplateFunction, toText } from './template-functions.ts'
import { type Expression, type Node, parseTemplate, type Pipeline } from './template-parser.ts'

export interface RenderOptions {
  /** Name of the Go type whose fields the data has, for messages; without it the data is a map. */
  type?: string
  /** Values of fields that may be left out of the data. */
  missing?: (name: string) => { value: unknown } | undefined
  /** Functions that change text leave it alone. */
  isHeader?: boolean
}

/** Throws TemplateError on a malformed template or a field that the data does not have. */
export function renderTemplate(text: string, data: unknown, options: RenderOptions = {}): string {
  return compileTemplate(text)(data, options)
}

/** For many objects by one template. */
export function compileTemplate(text: string): (data: unknown, options?: RenderOptions) => string {
  const nodes = parseTemplate(text)
  return (data, options = {}) => new Evaluation(text, data, options).render(nodes, data)
}

/** Of one template over one value, nested loops together; no output of ours needs as many. */
const ITERATIONS_MAX = 100_000

class Evaluation {
  #iterations = 0
  readonly #variables = new Map<string, unknown>()
  readonly #text: string
  readonly #options: RenderOptions
  readonly #functions: Record<string, TemplateFunction>

  constructor(text: string, root: unknown, options: RenderOptions) {
    this.#text = text
    this.#options = options
    this.#functions = options.isHeader ? { ...FUNCTIONS, ...HEADER_FUNCTIONS } : FUNCTIONS
    this.#variables.set('$', root)
  }

  render(nodes: readonly Node[], dot: unknown): string {
    return nodes.map((node) => this.#node(node, dot)).join('')
  }

  #node(node: Node, dot: unknown): string {
    switch (node.kind) {
      case 'text':
        return node.text
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot)
        return node.pipeline.variable === undefined ? toText(value) : ''
      }
      case 'if':
        return this.render(isTrue(this.#pipeline(node.pipeline, dot)) ? node.body : node.otherwise, dot)
      case 'with': {
        const value = this.#pipeline(node.pipeline, dot)
        return isTrue(value) ? this.render(node.body, value) : this.render(node.otherwise, dot)
      }
      case 'range':
        return this.#range(node, dot)
    }
  }

  #range(node: Extract<Node, { kind: 'range' }>, dot: unknown): string {
    const source = this.#pipeline({ ...node.pipeline, variable: undefined }, dot)
    const entries = entriesOf(source)
    if (entries === undefined) {
      const place = node.pipeline.commands[0]?.[0]
      throw this.#fail(place?.at ?? node.at, place?.source ?? '', `range can't iterate over ${toText(source)}`)
    }
    if (entries.length === 0) return this.render(node.otherwise, dot)
    this.#iterations += entries.length
    if (this.#iterations > ITERATIONS_MAX) throw this.#fail(node.at, '', 'too many iterations')
    return entries
      .map(([key, value]) => {
        if (node.key !== undefined) this.#variables.set(node.key, key)
        if (node.pipeline.variable !== undefined) this.#variables.set(node.pipeline.variable, value)
        return this.render(node.body, value)
      })
      .join('')
  }

  #pipeline(pipeline: Pipeline, dot: unknown): unknown {
    let value: unknown
    pipeline.commands.forEach((command, index) => {
      value = this.#command(command, dot, index === 0 ? [] : [value])
    })
    if (pipeline.variable !== undefined) this.#variables.set(pipeline.variable, value)
    return value
  }

  #command(words: readonly Expression[], dot: unknown, piped: readonly unknown[]): unknown {
    const [head, ...rest] = words
    if (head === undefined) return undefined
    const args = () => [...rest.map((word) => this.#expression(word, dot)), ...piped]
    if (head.kind === 'identifier') {
      const call = this.#functions[head.name] as TemplateFunction
      const source = words.map((word) => word.source).join(' ')
      try {
        return call(...args())
      } catch (error) {
        if (error instanceof TemplateError) throw error
        throw this.#fail(head.at, source, `error calling ${head.name}: ${messageOf(error)}`)
      }
    }
    const value = this.#expression(head, dot, rest.length > 0 || piped.length > 0)
    if (typeof value === 'function') return (value as TemplateFunction)(...args())
    if (rest.length > 0 || piped.length > 0)
      throw this.#fail(head.at, head.source, `can't give argument to non-function ${head.source}`)
    return value
  }

  #expression(expression: Expression, dot: unknown, isCalled = false): unknown {
    switch (expression.kind) {
      case 'literal':
        return expression.value
      case 'dot':
        return dot
      case 'field':
        return this.#walk(dot, expression.path, expression, isCalled)
      case 'variable':
        return this.#walk(this.#variables.get(expression.name), expression.path, expression, isCalled)
      case 'group':
        return this.#walk(this.#pipeline(expression.pipeline, dot), expression.path, expression, isCalled)
      case 'identifier':
        return this.#command([expression], dot, [])
    }
  }

  #walk(from: unknown, path: readonly string[], place: Expression, isCalled: boolean): unknown {
    let value = from
    for (const [index, name] of path.entries()) {
      if (value === null || value === undefined) {
        if (index === 0 && from === undefined) return undefined
        throw this.#fail(place.at, place.source, `nil pointer evaluating interface {}.${name}`)
      }
      if (typeof value !== 'object')
        throw this.#fail(place.at, place.source, `can't evaluate field ${name} in type ${goType(value)}`)
      value = this.#member(value as Record<string, unknown>, name, place, index)
    }
    if (typeof value === 'function' && !isCalled)
      throw this.#fail(place.at, place.source, `wrong number of args for ${path.at(-1)}: want 1 got 0`)
    return value
  }

  #member(holder: Record<string, unknown>, name: string, place: Expression, depth: number): unknown {
    if (Object.hasOwn(holder, name)) return holder[name]
    if (!isStruct(holder)) return undefined
    // Go's fields are `ID` where the JSON says `Id`.
    const key = Object.keys(holder).find((each) => each.toLowerCase() === name.toLowerCase())
    if (key !== undefined && /^[A-Z]/.test(name)) return holder[key]
    const missing = this.#options.missing?.(name)
    if (missing !== undefined) return missing.value
    if (this.#options.isHeader) return undefined
    const { type } = this.#options
    throw this.#fail(
      place.at,
      place.source,
      type !== undefined && depth === 0
        ? `can't evaluate field ${name} in type ${type}`
        : `map has no entry for key ${JSON.stringify(name)}`,
    )
  }

  #fail(at: number, source: string, why: string): TemplateError {
    const before = this.#text.slice(0, at)
    const line = before.split('\n').length
    const column = at - (before.lastIndexOf('\n') + 1)
    return new TemplateError('execute', `${line}:${column}: executing "" at <${source}>: ${why}`)
  }
}

function goType(value: unknown): string {
  return typeof value === 'boolean' ? 'bool' : typeof value === 'number' ? 'int' : 'string'
}

/** Objects whose keys are names of fields, not data: those start with a capital letter. */
export function isStruct(value: object): boolean {
  const keys = Object.keys(value)
  return !Array.isArray(value) && keys.length > 0 && keys.every((key) => /^[A-Z]\w*$/.test(key))
}

/** Undefined for what cannot be iterated over. */
function entriesOf(value: unknown): (readonly [unknown, unknown])[] | undefined {
  if (value === null || value === undefined) return []
  if (Array.isArray(value)) return value.map((item, index) => [index, item] as const)
  if (typeof value === 'number' && value <= ITERATIONS_MAX)
    return Array.from({ length: value }, (_, index) => [index, index] as const)
  if (typeof value !== 'object' || isStruct(value)) return undefined
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
}
