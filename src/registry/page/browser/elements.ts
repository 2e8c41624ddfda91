// Elements of the page. Texts become text nodes and nothing else, so that no label of an image can be markup.
import { boundText, formatBytes, formatMoment, shortDigest } from '../format.ts'
import { formatPlace, type Place } from '../places.ts'

/** Names that can't make a text be run. Addresses are of the page's own places only. */
interface Attributes {
  class?: string
  id?: string
  for?: string
  name?: string
  role?: string
  scope?: 'col' | 'row'
  tabindex?: '0' | '-1'
  title?: string
  type?: 'button' | 'submit' | 'text' | 'password'
  autocomplete?: 'username' | 'current-password' | 'off'
  autocapitalize?: 'none'
  spellcheck?: 'false'
  required?: ''
  datetime?: string
  'aria-label'?: string
  'aria-labelledby'?: string
  'aria-describedby'?: string
}

type Child = Node | string | undefined

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children.filter((child) => child !== undefined))
  return made
}

/** Says of it that more is still to come, and that what is in it may move. @param work never rejects. */
export function busyUntil<Made extends HTMLElement>(made: Made, work: Promise<void>): Made {
  made.setAttribute('aria-busy', 'true')
  void work.then(() => made.removeAttribute('aria-busy'))
  return made
}

export function fragment(...children: readonly Child[]): DocumentFragment {
  const made = document.createDocumentFragment()
  made.append(...children.filter((child) => child !== undefined))
  return made
}

export function link(place: Place, ...children: readonly Child[]): HTMLAnchorElement {
  const made = element('a', {}, ...children)
  made.setAttribute('href', formatPlace(place))
  return made
}

export function button(text: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, text)
  made.addEventListener('click', onClick)
  return made
}

/** What a stranger wrote, kept apart: letters that run from right to left turn nothing around them. */
export function foreign(text: string): HTMLElement {
  return element('bdi', { class: 'foreign' }, boundText(text))
}

export function moment(text: string | undefined): HTMLElement | string {
  if (text === undefined) return '—'
  const read = formatMoment(text)
  return read === undefined ? foreign(text) : element('time', { datetime: read.iso }, read.shown)
}

export function sizeText(bytes: number): HTMLElement {
  return element('span', { class: 'size' }, formatBytes(bytes))
}

export function digestText(digest: string): HTMLElement {
  return element('code', { title: digest }, shortDigest(digest))
}

const ROWS_MAX = 500

/** A table with its heading; the first cell of a row is what the row is about. Of very many rows the first. */
export function table(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly (Child | readonly Child[])[])[],
): HTMLElement {
  const body = element('tbody')
  for (const cells of rows.slice(0, ROWS_MAX)) body.append(row(cells))
  const made = element(
    'table',
    {},
    element('caption', {}, caption),
    element('thead', {}, element('tr', {}, ...columns.map((name) => element('th', { scope: 'col' }, name)))),
    body,
  )
  const more = rows.length > ROWS_MAX ? element('p', {}, `${rows.length - ROWS_MAX} more are not shown.`) : undefined
  // Wide tables are scrolled by themselves, with the keyboard too.
  return element(
    'div',
    {},
    element('div', { class: 'scroll', role: 'region', 'aria-label': caption, tabindex: '0' }, made),
    more,
  )
}

export function row(cells: readonly (Child | readonly Child[])[]): HTMLTableRowElement {
  const made = cells.map((cell, at) => {
    const children: readonly Child[] = Array.isArray(cell) ? (cell as readonly Child[]) : [cell as Child]
    return at === 0 ? element('th', { scope: 'row' }, ...children) : element('td', {}, ...children)
  })
  return element('tr', {}, ...made)
}

/** Names and what is said of each. */
export function facts(entries: readonly (readonly [string, Child])[]): HTMLElement {
  const list = element('dl')
  for (const [name, value] of entries)
    if (value !== undefined) list.append(element('div', {}, element('dt', {}, name), element('dd', {}, value)))
  return list
}

export function title(...children: readonly Child[]): HTMLHeadingElement {
  return element('h1', { tabindex: '-1' }, ...children)
}

const ANNOUNCED_MS = 10_000
let announced = 0

/** Said to who does not see the page, too; for a while. */
export function announce(text: string): void {
  const status = document.getElementById('status')
  clearTimeout(announced)
  status?.replaceChildren(text)
  announced = window.setTimeout(() => status?.replaceChildren(), ANNOUNCED_MS)
}
