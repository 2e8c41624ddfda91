// What is wrong with a template, in the words of Go's text/template.
import { Failure } from '../failure.ts'

/** A template without a name of its own stands as `template: :`. */
export class TemplateError extends Failure {
  /** `parse`: the text is no template; `execute`: it does not fit the data. */
  readonly stage: 'parse' | 'execute'

  constructor(stage: 'parse' | 'execute', why: string) {
    super('invalid-argument', stage === 'parse' ? `template: :1: ${why}` : `template: :${why}`)
    this.stage = stage
  }
}
