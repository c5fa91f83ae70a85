import { html } from 'ghtml'
import { layout, type PageContext } from './layout.ts'

export interface LoginView {
  next: string
  /** The last try was refused. */
  isRefused?: boolean
  user?: string
}

export function loginPage({ next, isRefused = false, user = '' }: LoginView, context: PageContext): string {
  const { frame } = context.texts
  const main = html`<div class="card narrow">
    <h1>${frame.logIn}</h1>
    !${isRefused ? html`<p class="complaint" role="alert">${frame.wrongPassword}</p>` : ''}
    <form method="post" action="/login">
      <input type="hidden" name="next" value="${next}" />
      <label for="user">${frame.user}</label>
      <input id="user" name="user" value="${user}" autocomplete="username" required autofocus />
      <label for="password">${frame.password}</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required />
      <button type="submit" class="main">${frame.logIn}</button>
    </form>
  </div>`
  return layout({ title: frame.logIn, main, context: { ...context, identity: undefined } })
}
