// Go's text/template, as far as `--format` needs it: fields, pipelines, if, range, with, variables, and Docker's functions.
import { Failure } from '../../base/failure.ts'
import { FUNCTIONS, isTrue, toText } from './template-functions.ts'
import { type Expression, type Node, parseTemplate, type Pipeline } from './template-parser.ts'

/** Throws Failure with Go's words on a malformed template or a missing field of an object. */
export function renderTemplate(text: string, data: unknown): string {
  return new Evaluation(data).render(parseTemplate(text), data)
}

class Evaluation {
  readonly #variables = new Map<string, unknown>()

  constructor(root: unknown) {
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
    const entries = entriesOf(this.#pipeline({ ...node.pipeline, variable: undefined }, dot))
    if (entries.length === 0) return this.render(node.otherwise, dot)
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
    if (head?.kind === 'identifier') {
      const call = FUNCTIONS[head.name]
      if (call === undefined)
        throw new Failure(
          'invalid-argument',
          `template parsing error: template: :1: function ${JSON.stringify(head.name)} not defined`,
        )
      return call(...rest.map((word) => this.#expression(word, dot)), ...piped)
    }
    return head === undefined ? undefined : this.#expression(head, dot)
  }

  #expression(expression: Expression, dot: unknown): unknown {
    switch (expression.kind) {
      case 'literal':
        return expression.value
      case 'field':
        return walk(dot, expression.path)
      case 'variable':
        return walk(this.#variables.get(expression.name), expression.path)
      case 'group':
        return walk(this.#pipeline(expression.pipeline, dot), expression.path)
      case 'identifier':
        return this.#command([expression], dot, [])
    }
  }
}

function walk(from: unknown, path: readonly string[]): unknown {
  let value = from
  for (const name of path) {
    if (value === null || value === undefined) return undefined
    if (typeof value !== 'object')
      throw new Failure('invalid-argument', `template: :1: can't evaluate field ${name} in type ${typeof value}`)
    const holder = value as Record<string, unknown>
    // Methods of row objects are written like fields.
    const member = holder[name]
    if (member === undefined && !(name in holder) && !Array.isArray(holder) && isStruct(holder))
      throw new Failure(
        'invalid-argument',
        `template: :1:2: executing "" at <.${path.join('.')}>: map has no entry for key ${JSON.stringify(name)}`,
      )
    value = member
  }
  return value
}

/** Objects whose keys are names of fields, not data: those start with a capital letter. */
function isStruct(value: object): boolean {
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every((key) => /^[A-Z]\w*$/.test(key))
}

function entriesOf(value: unknown): (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item] as const)
  if (value !== null && typeof value === 'object') return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return []
}
