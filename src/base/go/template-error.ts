// What is wrong with a template, in the words of Go's text/template.
import { Failure } from '../failure.ts'

/** A template without a name of its own stands as `template: :`. */
export class TemplateError extends Failure {
  /** `parse`: the text is no template; `execute`: it does not fit the data. */
  readonly stage: 'parse' | 'execute'

  /** @param line of a parse failure, from 1. */
  constructor(stage: 'parse' | 'execute', why: string, line = 1) {
    super('invalid-argument', stage === 'parse' ? `template: :${line}: ${why}` : `template: :${why}`)
    this.stage = stage
  }
}
