// Deleting, after a question.
import { isFailure, messageOf } from '../../../base/failure.ts'
import { formatPlace, isDigest } from '../places.ts'
import { deleteManifest } from '../read-lists.ts'
import { announce, button, element } from './elements.ts'
import type { View } from './view.ts'

interface Deletion {
  name: string
  reference: string
  /** In words. */
  what: string
}

export function deleteButton(view: View, deletion: Deletion): HTMLButtonElement {
  const label = `Delete ${deletion.what}`
  const text = isDigest(deletion.reference) ? 'Delete manifest' : 'Delete tag'
  return button(text, () => void askAndDelete(view, deletion), { class: 'danger', 'aria-label': label })
}

async function askAndDelete(view: View, { name, reference, what }: Deletion): Promise<void> {
  if (!(await confirmed(`Delete ${what}?`, `It goes from ${name} for everybody. This can't be undone.`))) return
  try {
    await deleteManifest(view.session, name, reference)
    announce(`Deleted ${what}`)
    // An image that is gone is no place to stay at.
    if (location.hash.startsWith('#tags')) view.again()
    else location.hash = formatPlace({ kind: 'tags', name, last: '' })
  } catch (error) {
    const why = isFailure(error, 'unauthenticated') ? `${messageOf(error)}: log in first` : messageOf(error)
    await told(`Not deleted: ${what}`, why)
  }
}

function confirmed(question: string, consequence: string): Promise<boolean> {
  return ask(question, consequence, ['Cancel', 'Delete'])
}

async function told(heading: string, text: string): Promise<void> {
  await ask(heading, text, ['Close'])
}

/** True for the second answer; the first is where the keyboard is, and what Escape means. */
function ask(heading: string, text: string, [no, yes]: readonly [string, string?]): Promise<boolean> {
  const dialog = element(
    'dialog',
    { 'aria-labelledby': 'question', 'aria-describedby': 'consequence' },
    element('h2', { id: 'question' }, heading),
    element('p', { id: 'consequence' }, text),
    element(
      'p',
      { class: 'actions' },
      button(no, () => dialog.close()),
      yes === undefined ? undefined : button(yes, () => dialog.close('yes'), { class: 'danger' }),
    ),
  )
  document.body.append(dialog)
  dialog.showModal()
  return new Promise((resolve) =>
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(dialog.returnValue === 'yes')
    }),
  )
}
