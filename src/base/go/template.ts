// Go's text/template: a template over data. Templates may be a stranger's: what they may do is bounded.
import { messageOf } from '../failure.ts'
import { GO_TYPE, isStruct, goType, isTrue, toText } from './go-values.ts'
import { FUNCTIONS, HEADER_FUNCTIONS, mismatch, type TemplateFunction } from './template-functions.ts'
import { TemplateError } from './template-error.ts'
import type { Block, Expression, Node, Pipeline, Place, Template } from './template-nodes.ts'
import { parseTemplate } from './template-parser.ts'

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
  const template = parseTemplate(text)
  return (data, options = {}) => new Evaluation(template, options).run(data)
}

/** Of one template over one value, nested loops together; no output of ours needs as many. */
const ITERATIONS_MAX = 100_000
/** Templates that call templates. */
const CALLS_MAX = 200
/** Pieces of templates that are executed: ones that call each other twice need twice as many with each that is added. */
const STEPS_MAX = 1_000_000
/** Characters of a result, or of a text on the way to it. */
const TEXT_MAX = 64 * 1024 * 1024

/** A method of a row with arguments: `.Label "x"`. */
type Method = (...args: unknown[]) => unknown

class Evaluation {
  #iterations = 0
  #steps = 0
  #calls = 0
  readonly #template: Template
  readonly #options: RenderOptions
  readonly #functions: Readonly<Record<string, TemplateFunction>>
  /** The innermost comes last. */
  #variables: { name: string; value: unknown }[] = []
  /** The name of the template that is executed; '' for the one that was given. */
  #name = ''
  #jump: 'break' | 'continue' | undefined

  constructor(template: Template, options: RenderOptions) {
    this.#template = template
    this.#options = options
    this.#functions = options.isHeader ? { ...FUNCTIONS, ...HEADER_FUNCTIONS } : FUNCTIONS
  }

  run(data: unknown): string {
    this.#variables = [{ name: '$', value: data }]
    return this.#nodes(this.#template.body, data)
  }

  #nodes(nodes: readonly Node[], dot: unknown): string {
    let text = ''
    for (const node of nodes) {
      if (++this.#steps > STEPS_MAX) throw this.#fail(undefined, 'too many steps')
      text += this.#node(node, dot)
      if (text.length > TEXT_MAX) throw this.#fail(undefined, 'the text is too long')
      if (this.#jump !== undefined) break
    }
    return text
  }

  #node(node: Node, dot: unknown): string {
    switch (node.kind) {
      case 'text':
        return node.text
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot)
        return node.pipeline.variables.length === 0 ? this.#print(value) : ''
      }
      case 'break':
      case 'continue':
        this.#jump = node.kind
        return ''
      case 'if':
        return this.#scoped(() => {
          const isIt = isTrue(this.#pipeline(node.pipeline, dot))
          return this.#nodes(isIt ? node.body : node.otherwise, dot)
        })
      case 'with':
        return this.#scoped(() => {
          const value = this.#pipeline(node.pipeline, dot)
          return isTrue(value) ? this.#nodes(node.body, value) : this.#nodes(node.otherwise, dot)
        })
      case 'range':
        return this.#scoped(() => this.#range(node, dot))
      case 'template':
        return this.#call(node, dot)
    }
  }

  #print(value: unknown): string {
    return toText(value)
  }

  /** Variables that `work` declares end with it. */
  #scoped(work: () => string): string {
    const visible = this.#variables.length
    const text = work()
    this.#variables.length = visible
    return text
  }

  #range({ pipeline, body, otherwise }: Block, dot: unknown): string {
    const source = this.#pipeline({ ...pipeline, variables: [] }, dot)
    const entries = entriesOf(source, this.#options.type === undefined)
    if (entries === undefined) throw this.#fail(lastWord(pipeline), `range can't iterate over ${toText(source)}`)
    if (entries.length === 0) return this.#nodes(otherwise, dot)
    this.#iterations += entries.length
    if (this.#iterations > ITERATIONS_MAX) throw this.#fail(pipeline, 'too many iterations')
    const [first, second] = pipeline.variables
    let text = ''
    for (const [key, value] of entries) {
      text += this.#scoped(() => {
        if (first !== undefined) this.#set(first, second === undefined ? value : key, pipeline)
        if (second !== undefined) this.#set(second, value, pipeline)
        return this.#nodes(body, value)
      })
      const jump = this.#jump
      this.#jump = undefined
      if (text.length > TEXT_MAX) throw this.#fail(pipeline, 'the text is too long')
      if (jump === 'break') break
    }
    return text
  }

  #call(node: Extract<Node, { kind: 'template' }>, dot: unknown): string {
    const body = this.#template.named.get(node.name)
    if (body === undefined) throw this.#fail(node, `template "${node.name}" not defined`)
    if (++this.#calls > CALLS_MAX) throw this.#fail(node, `exceeded maximum template depth (${CALLS_MAX})`)
    const value = node.pipeline === undefined ? undefined : this.#pipeline(node.pipeline, dot)
    const [variables, name] = [this.#variables, this.#name]
    this.#variables = [{ name: '$', value }]
    this.#name = node.name
    const text = this.#nodes(body, value)
    this.#variables = variables
    this.#name = name
    this.#calls--
    return text
  }

  #set(name: string, value: unknown, { isAssignment }: Pipeline, place?: Place): void {
    if (!isAssignment) {
      this.#variables.push({ name, value })
      return
    }
    const variable = this.#variables.findLast((each) => each.name === name)
    if (variable === undefined) throw this.#fail(place, `undefined variable: ${name}`)
    variable.value = value
  }

  #pipeline(pipeline: Pipeline, dot: unknown): unknown {
    let value: unknown
    pipeline.commands.forEach((command, index) => {
      value = this.#command(command, dot, index === 0 ? [] : [value])
    })
    for (const name of pipeline.variables) this.#set(name, value, pipeline, lastWord(pipeline))
    return value
  }

  #command(words: readonly Expression[], dot: unknown, piped: readonly unknown[]): unknown {
    const [head, ...rest] = words
    if (head === undefined) return undefined
    if (head.kind === 'identifier') return this.#function(head, words, dot, piped)
    if (head.kind === 'nil') throw this.#fail(head, 'nil is not a command')
    const isCalled = rest.length > 0 || piped.length > 0
    if (head.kind === 'field' || head.kind === 'variable' || head.kind === 'chain') {
      const value = this.#value(head, dot)
      const name = head.path.at(-1)
      if (typeof value === 'function') {
        const args = [...rest.map((word) => this.#typed(word, 'string', dot)), ...piped]
        return this.#method(value as Method, head, name ?? '', args)
      }
      if (!isCalled) return value
      throw this.#fail(head, this.#whyNoArguments(head, name))
    }
    if (isCalled) throw this.#fail(head, `can't give argument to non-function ${head.source}`)
    return this.#value(head, dot)
  }

  #whyNoArguments(head: Expression, name: string | undefined): string {
    if (name === undefined) return `can't give argument to non-function ${head.source}`
    return this.#options.type === undefined
      ? `${name} is not a method but has arguments`
      : `wrong number of args for ${name}: want 0 got 1`
  }

  #method(method: Method, place: Place, name: string, args: readonly unknown[]): unknown {
    if (args.length !== method.length)
      throw this.#fail(place, `wrong number of args for ${name}: want ${method.length} got ${args.length}`)
    const wrong = args.map((value) => mismatch(value, 'string')).find((each) => each !== undefined)
    if (wrong !== undefined) throw this.#fail(place, wrong)
    return method(...args)
  }

  #function(
    head: Extract<Expression, { kind: 'identifier' }>,
    words: readonly Expression[],
    dot: unknown,
    piped: readonly unknown[],
  ): unknown {
    const { name } = head
    const called = this.#functions[name] as TemplateFunction
    const rest = words.slice(1)
    const count = rest.length + piped.length
    const { min, max } = called
    if (max === undefined && count < min)
      throw this.#fail(head, `wrong number of args for ${name}: want at least ${min} got ${count}`)
    if (max !== undefined && (count < min || count > max))
      throw this.#fail(head, `wrong number of args for ${name}: want ${max} got ${count}`)
    if (name === 'and' || name === 'or') return this.#decide(name === 'or', rest, dot, piped)
    const args = rest.map((word, index) => this.#typed(word, typeAt(called, index), dot))
    for (const value of piped) {
      const wrong = mismatch(value, typeAt(called, args.length))
      if (wrong !== undefined) throw this.#fail(head, wrong)
      args.push(value)
    }
    const place = { at: head.at, source: words.map(({ source }) => source).join(' ') }
    try {
      const value = called.call(...args)
      if (typeof value === 'string' && value.length > TEXT_MAX) throw new Error('the text is too long')
      return value
    } catch (error) {
      const why = messageOf(error)
      // The only function that names its argument.
      const told = name === 'call' ? why.replace('non-function', `non-function ${rest[0]?.source ?? ''}`) : why
      throw this.#fail(place, `error calling ${name}: ${told}`)
    }
  }

  /** Nothing after the argument that decides is evaluated. */
  #decide(wanted: boolean, words: readonly Expression[], dot: unknown, piped: readonly unknown[]): unknown {
    let value: unknown
    for (const word of words) {
      value = this.#argument(word, dot)
      if (isTrue(value) === wanted) return value
    }
    return piped.length > 0 ? piped[0] : value
  }

  #typed(word: Expression, wanted: string, dot: unknown): unknown {
    if (wanted !== '' && word.kind === 'literal' && mismatch(word.value, wanted) !== undefined)
      throw this.#fail(word, `expected ${wanted === 'int' ? 'integer' : wanted}; found ${word.source}`)
    const value = this.#argument(word, dot)
    const wrong = mismatch(value, wanted)
    if (wrong !== undefined) throw this.#fail(word, wrong)
    return value
  }

  #argument(word: Expression, dot: unknown): unknown {
    if (word.kind === 'nil') return null
    if (word.kind === 'identifier') return this.#function(word, [word], dot, [])
    const value = this.#value(word, dot)
    if (typeof value !== 'function' || !('path' in word)) return value
    return this.#method(value as Method, word, word.path.at(-1) ?? '', [])
  }

  #value(word: Expression, dot: unknown): unknown {
    switch (word.kind) {
      case 'literal':
        return word.value
      case 'dot':
        return dot
      case 'nil':
        return null
      case 'field':
        return this.#walk(dot, word.path, word)
      case 'variable':
        return this.#walk(this.#variables.findLast(({ name }) => name === word.name)?.value, word.path, word)
      case 'pipeline':
        return this.#pipeline(word.pipeline, dot)
      case 'chain':
        return this.#walk(this.#argument(word.of, dot), word.path, word)
      case 'identifier':
        return this.#function(word, [word], dot, [])
    }
  }

  #walk(from: unknown, path: readonly string[], place: Expression): unknown {
    let value = from
    for (const [index, name] of path.entries()) {
      if (value === null || value === undefined) {
        if (index === 0 && from === undefined) return undefined
        throw this.#fail(place, `nil pointer evaluating interface {}.${name}`)
      }
      if (typeof value === 'function') value = this.#method(value as Method, place, path[index - 1] ?? '', [])
      if (typeof value !== 'object' || value === null) {
        const type = this.#options.type === undefined && place.kind !== 'chain' ? 'interface {}' : goType(value)
        throw this.#fail(place, `can't evaluate field ${name} in type ${type}`)
      }
      value = this.#member(value as Record<string, unknown>, name, place, index)
    }
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
    const own = (holder as { [GO_TYPE]?: string })[GO_TYPE]
    const type = own ?? (depth === 0 ? this.#options.type : undefined)
    throw this.#fail(
      place,
      type !== undefined
        ? `can't evaluate field ${name} in type ${type}`
        : `map has no entry for key ${JSON.stringify(name)}`,
    )
  }

  #fail(place: Place | undefined, why: string): TemplateError {
    const { at, source } = place ?? { at: 0, source: '' }
    const before = this.#template.source.slice(0, at)
    const line = before.split('\n').length
    const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1))
    return new TemplateError('execute', `${line}:${column}: executing "${this.#name}" at <${source}>: ${why}`)
  }
}

function typeAt({ types = [] }: TemplateFunction, index: number): string {
  return types[Math.min(index, types.length - 1)] ?? ''
}

function lastWord({ commands }: Pipeline): Place | undefined {
  return commands.at(-1)?.at(-1)
}

/** Undefined for what cannot be iterated over. @param isMap an object is a map, whatever its keys are. */
function entriesOf(value: unknown, isMap: boolean): (readonly [unknown, unknown])[] | undefined {
  if (value === null || value === undefined) return []
  if (Array.isArray(value)) return value.map((item, index) => [index, item] as const)
  if (typeof value === 'number' && value <= ITERATIONS_MAX)
    return Array.from({ length: Math.max(0, value) }, (_, index) => [index, index] as const)
  if (typeof value !== 'object' || (isStruct(value) && !isMap)) return undefined
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
}
