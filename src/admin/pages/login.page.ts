import { html } from 'ghtml'
import { layout } from './layout.ts'

export function loginPage({ next, complaint, user = '' }: { next: string; complaint?: string; user?: string }): string {
  const main = html`<div class="card narrow">
    <h1>Log in</h1>
    !${complaint === undefined ? '' : html`<p class="complaint" role="alert">${complaint}</p>`}
    <form method="post" action="/login">
      <input type="hidden" name="next" value="${next}" />
      <label for="user">User</label>
      <input id="user" name="user" value="${user}" autocomplete="username" required autofocus />
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required />
      <button type="submit" class="main">Log in</button>
    </form>
  </div>`
  return layout({ title: 'Log in', main, context: { identity: undefined, path: '/login' } })
}
