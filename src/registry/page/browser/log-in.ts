// Who asks: the form, and the corner that says who has logged in.
import { messageOf } from '../../../base/failure.ts'
import type { Session } from '../session.ts'
import { button, element, fragment, title } from './elements.ts'

/** `why` is what the registry said. `done` is called when the password was right. */
export function loginForm(session: Session, why: string, done: () => void): DocumentFragment {
  const user = element('input', {
    ...{ id: 'user', name: 'user', type: 'text', autocomplete: 'username' },
    ...{ autocapitalize: 'none', spellcheck: 'false', required: '' },
  })
  const password = element('input', {
    ...{ id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: '' },
  })
  const problem = element('p', { role: 'alert' }, why)
  const submit = element('button', { type: 'submit' }, 'Log in')
  const form = element(
    'form',
    { class: 'login', 'aria-label': 'Log in' },
    element('label', { for: 'user' }, 'User name'),
    user,
    element('label', { for: 'password' }, 'Password'),
    password,
    submit,
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    submit.disabled = true
    session.logIn(user.value, password.value).then(done, (error: unknown) => {
      submit.disabled = false
      password.value = ''
      password.focus()
      problem.replaceChildren(messageOf(error))
    })
  })
  return fragment(title('Log in'), problem, form)
}

export function sessionCorner(session: Session, logIn: () => void, loggedOut: () => void): Node {
  if (session.user !== undefined) {
    const logOut = () => {
      session.logOut()
      loggedOut()
    }
    return fragment(element('span', { class: 'user' }, session.user), button('Log out', logOut))
  }
  return session.isChallenged ? button('Log in', logIn) : fragment()
}
