// A command with a button that copies it.
import { announce, button, element } from './elements.ts'

export function copyable(command: string): HTMLElement {
  const code = element('code', {}, command)
  const copy = button('Copy', () => void copyText(command, code), { 'aria-label': `Copy ${command}` })
  return element('div', { class: 'command' }, code, copy)
}

async function copyText(text: string, shown: Node): Promise<void> {
  announce((await toClipboard(text, shown)) ? 'Copied' : 'Selected: copy it with the keyboard')
}

/** Without TLS browsers give a page no clipboard; what is selected can be copied all the same. */
async function toClipboard(text: string, shown: Node): Promise<boolean> {
  const clipboard: Clipboard | undefined = navigator.clipboard
  try {
    if (clipboard === undefined) throw new Error('no clipboard')
    await clipboard.writeText(text)
    return true
  } catch {
    getSelection()?.selectAllChildren(shown)
    return document.execCommand('copy')
  }
}
