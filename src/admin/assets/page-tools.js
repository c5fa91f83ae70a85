/** What the pages' scripts share. Everything that is written into a page is text, never markup. */

export const page = document.querySelector('[data-page]')
export const texts = JSON.parse(document.querySelector('meta[name="texts"]').content)
/** What a proxy has put before our paths: this file is `{base}/assets/page-tools.js`. */
export const base = new URL('..', import.meta.url).pathname.slice(0, -1)

const csrfToken = document.querySelector('meta[name="csrf-token"]').content
const { lang } = document.documentElement
const fullTime = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'medium' })
const utcTime = new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' })

/** How a change ended, where the page has a place for it. */
export function say(text, level = 'good') {
  const notice = document.getElementById('notice')
  notice.textContent = text
  notice.dataset.level = level
  notice.hidden = false
}

export function goToLogin() {
  location.assign(`${base}/login?next=${encodeURIComponent(location.pathname.slice(base.length))}`)
}

export async function send(path, method, body) {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: { 'content-type': 'application/json', 'x-csrf-token': csrfToken },
    body: JSON.stringify(body ?? {}),
  })
  if (response.status === 401) goToLogin()
  const answer = response.status === 204 ? {} : await response.json()
  if (!response.ok) throw new Error(answer.detail ?? String(response.status))
  return answer
}

/** Does one change, says how it ended, and keeps its button from being pressed twice. */
export async function change(button, what, work) {
  if (button.ariaDisabled === 'true') return undefined
  // Not `disabled`: the keyboard would lose its place.
  button.ariaDisabled = 'true'
  try {
    const answer = await work()
    say(`${what}: ${texts.done}`)
    return answer
  } catch (error) {
    say(`${what}: ${error.message}`, 'bad')
    return undefined
  } finally {
    button.ariaDisabled = null
  }
}

export function setText(element, text) {
  if (element !== null && element.textContent !== text) element.textContent = text
}

export function make(name, text, className = '') {
  const element = document.createElement(name)
  element.textContent = text
  element.className = className
  return element
}

/** In the reader's own time; UTC on hover. */
export function setTime(element, iso) {
  if (element.dateTime === iso && element.dataset.isLocal) return
  element.dateTime = iso
  element.dataset.isLocal = 'true'
  const at = new Date(iso)
  element.title = `${utcTime.format(at)} UTC`
  element.textContent = fullTime.format(at)
}

export function showTimes(root) {
  for (const time of root.querySelectorAll('time[data-time]')) setTime(time, time.dateTime)
}
