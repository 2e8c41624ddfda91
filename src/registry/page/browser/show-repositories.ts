// The list of repositories.
import { isRepositoryName, type Place } from '../places.ts'
import { listRepositories } from '../read-lists.ts'
import { element, foreign, fragment, link, title } from './elements.ts'
import type { View } from './view.ts'

export async function showRepositories(
  { session, signal }: View,
  { last }: Extract<Place, { kind: 'repositories' }>,
): Promise<DocumentFragment> {
  const { names, next } = await listRepositories(session, last, signal)
  const items = names.map((name) => element('li', {}, repositoryLink(name)))
  return fragment(
    title('Repositories'),
    names.length === 0
      ? element('p', {}, last === '' ? 'The registry is empty.' : 'There are no more repositories.')
      : element('ul', { class: 'names' }, ...items),
    pages(
      { kind: 'repositories', last: '' },
      last,
      next === undefined ? undefined : { kind: 'repositories', last: next },
    ),
  )
}

/** Whatever a registry lists, only what can be a name leads anywhere. */
function repositoryLink(name: string): Node {
  return isRepositoryName(name) ? link({ kind: 'tags', name, last: '' }, name) : foreign(name)
}

/** Lists go forwards only; backwards there is the browser's own button. */
export function pages(first: Place, last: string, next: Place | undefined): Node | undefined {
  if (last === '' && next === undefined) return undefined
  return element(
    'nav',
    { 'aria-label': 'Pages' },
    last === '' ? undefined : link(first, 'First page'),
    next === undefined ? undefined : link(next, 'Next page'),
  )
}
