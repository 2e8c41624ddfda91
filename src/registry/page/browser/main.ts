// The page's life: the address says what is shown; it is shown anew when that changes.
import { isFailure, messageOf } from '../../../base/failure.ts'
import { formatPlace, isRepositoryName, parsePlace, type Place } from '../places.ts'
import { Session } from '../session.ts'
import { button, element, fragment, title } from './elements.ts'
import { loginForm, sessionCorner } from './log-in.ts'
import { showManifest } from './show-manifest.ts'
import { showRepositories } from './show-repositories.ts'
import { showTags } from './show-tags.ts'
import type { View } from './view.ts'

const { deletes = '', host = '' } = document.documentElement.dataset
const session = new Session(new URL('v2/', document.baseURI).href)
const main = required('main')
const corner = required('session')
let current = new AbortController()
let isFirst = true

required('open').replaceChildren(openForm())
addEventListener('hashchange', () => void show())
void show()

async function show(): Promise<void> {
  current.abort()
  current = new AbortController()
  const { signal } = current
  main.setAttribute('aria-busy', 'true')
  const place = parsePlace(location.hash)
  const content = await contentOf(place, signal)
  if (!signal.aborted) present(content)
}

async function contentOf(place: Place | undefined, signal: AbortSignal): Promise<DocumentFragment> {
  if (place === undefined) return fragment(title('No such page'), element('p', {}, 'No repository has such a name.'))
  const view: View = {
    ...{ session, signal, host: host === '' ? location.host : host, deletes: deletes === 'true' },
    again: () => void show(),
  }
  try {
    return await contentAt(view, place)
  } catch (error) {
    if (isFailure(error, 'unauthenticated')) return loginForm(session, messageOf(error), () => void show())
    return problem(place, error)
  }
}

function contentAt(view: View, place: Place): Promise<DocumentFragment> {
  switch (place.kind) {
    case 'repositories':
      return showRepositories(view, place)
    case 'tags':
      return showTags(view, place)
    case 'manifest':
      return showManifest(view, place)
  }
}

function problem(place: Place, error: unknown): DocumentFragment {
  const isCatalog = place.kind === 'repositories' && isFailure(error, 'permission-denied')
  return fragment(
    title(isCatalog ? 'Repositories' : 'It did not work'),
    element('p', { role: 'alert' }, messageOf(error)),
    isCatalog ? element('p', {}, 'You may not list all repositories. Open one by its name.') : undefined,
    element(
      'p',
      { class: 'actions' },
      button('Try again', () => void show()),
    ),
  )
}

function present(content: DocumentFragment): void {
  main.replaceChildren(content)
  main.removeAttribute('aria-busy')
  const heading = main.querySelector('h1')
  document.title = `${heading?.textContent ?? ''} – Berth registry`
  const input = main.querySelector<HTMLElement>('form.login input')
  const logIn = () => present(loginForm(session, '', () => void show()))
  corner.replaceChildren(input === null ? sessionCorner(session, logIn, () => void show()) : '')
  // A reader's place is the new heading; on arrival the browser knows better.
  if (input !== null) input.focus()
  else if (!isFirst) heading?.focus()
  isFirst = false
}

/** For who may not list all repositories, and for who knows where to go. */
function openForm(): HTMLElement {
  const input = element('input', {
    ...{ id: 'repository', name: 'repository', type: 'text', autocomplete: 'off' },
    ...{ autocapitalize: 'none', spellcheck: 'false', required: '' },
  })
  const form = element(
    'form',
    { role: 'search', 'aria-label': 'Open a repository' },
    element('label', { for: 'repository' }, 'Repository'),
    input,
    element('button', { type: 'submit' }, 'Open'),
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const name = input.value.trim()
    input.setCustomValidity(isRepositoryName(name) ? '' : 'This is no name of a repository')
    if (form.reportValidity()) location.hash = formatPlace({ kind: 'tags', name, last: '' })
  })
  input.addEventListener('input', () => input.setCustomValidity(''))
  return form
}

function required(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no ${id}`)
  return found
}
