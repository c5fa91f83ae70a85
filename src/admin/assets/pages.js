/** Keeps a page live by server-sent events, and its buttons working. Everything it writes is text, never markup. */

const page = document.querySelector('[data-page]')
const notice = document.getElementById('notice')
const RETRY_MS = 3000
/** What a proxy has put before our paths: this file is `{base}/assets/pages.js`. */
const base = new URL('..', import.meta.url).pathname.slice(0, -1)
const csrfToken = document.querySelector('meta[name="csrf-token"]').content

function say(text, level = 'good') {
  notice.textContent = text
  notice.dataset.level = level
  notice.hidden = false
}

async function send(path, method, body) {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: { 'content-type': 'application/json', 'x-csrf-token': csrfToken },
    body: JSON.stringify(body ?? {}),
  })
  if (response.status === 401)
    location.assign(`${base}/login?next=${encodeURIComponent(location.pathname.slice(base.length))}`)
  const answer = response.status === 204 ? {} : await response.json()
  if (!response.ok) throw new Error(answer.detail ?? `status ${response.status}`)
  return answer
}

/** Does one change, says how it ended, and keeps its button from being pressed twice. */
async function change(button, what, work) {
  if (button.ariaDisabled === 'true') return undefined
  // Not `disabled`: the keyboard would lose its place.
  button.ariaDisabled = 'true'
  try {
    const answer = await work()
    say(`${what}: done`)
    return answer
  } catch (error) {
    say(`${what}: ${error.message}`, 'bad')
    return undefined
  } finally {
    button.ariaDisabled = null
  }
}

function setText(element, text) {
  if (element !== null && element.textContent !== text) element.textContent = text
}

const LEVEL_TEXT = { bad: 'Problem', wait: 'Waiting', good: 'Fine' }

function make(name, text, className = '') {
  const element = document.createElement(name)
  element.textContent = text
  element.className = className
  return element
}

/** The reader's own time. */
function localTime(iso) {
  return new Date(iso).toLocaleTimeString()
}

for (const time of document.querySelectorAll('time[data-time]')) {
  time.title = time.dateTime
  time.textContent = localTime(time.dateTime)
}

function showBottlenecks(list, bottlenecks) {
  const seen = JSON.stringify(bottlenecks)
  if (list === null || list.dataset.seen === seen) return
  list.dataset.seen = seen
  list.replaceChildren(
    ...bottlenecks.map(({ level, code, text, since, remedy }) => {
      const item = document.createElement('li')
      item.dataset.level = level
      item.dataset.code = code
      item.append(make('strong', LEVEL_TEXT[level]), ` ${text} `)
      if (since !== undefined) item.append(make('small', `since ${localTime(since)}`))
      if (remedy !== undefined) item.append(make('span', remedy, 'remedy'))
      return item
    }),
  )
}

function showPromotion(root, { status, percent, text, bottlenecks, actions }) {
  for (const element of root.querySelectorAll('[data-field]')) setText(element, text[element.dataset.field])
  const badge = root.querySelector('[data-field="status"]')
  badge.dataset.status = status
  const bar = root.querySelector('progress')
  if (percent === null) bar.removeAttribute('value')
  else bar.value = percent
  showBottlenecks(root.querySelector('.bottlenecks'), bottlenecks)
  for (const button of root.querySelectorAll('[data-action]')) {
    const isAllowed = actions.includes(button.dataset.action)
    if (!isAllowed && document.activeElement === button) notice.focus()
    button.disabled = !isAllowed
  }
}

function showInstances(instances = []) {
  const rows = new Map([...document.querySelectorAll('[data-instance]')].map(row => [row.dataset.instance, row]))
  const isSame = instances.length === rows.size && instances.every(({ instance }) => rows.has(instance))
  if (!isSame) return void refresh()
  for (const { instance, slots, state } of instances) {
    const row = rows.get(instance)
    setText(row.querySelector('[data-cell="slots"]'), slots)
    setText(row.querySelector('[data-cell="state"]'), state)
  }
}

let isRefreshing = false

/** Something came or went: takes that part from the server again, where values are escaped. */
async function refresh() {
  const selector = page.dataset.page === 'progress' ? '.promotions' : '[data-instances]'
  const part = document.querySelector(selector)
  if (isRefreshing || part === null) return
  isRefreshing = true
  try {
    const response = await fetch(location.href, { headers: { accept: 'text/html' } })
    const fresh = new DOMParser().parseFromString(await response.text(), 'text/html').querySelector(selector)
    if (fresh !== null) part.replaceChildren(...fresh.childNodes)
    if (page.dataset.page === 'progress') document.querySelector('.empty')?.remove()
  } finally {
    isRefreshing = false
  }
}

function showProgress({ promotions }) {
  const cards = new Map([...page.querySelectorAll('[data-promotion]')].map(card => [card.dataset.promotion, card]))
  if (promotions.length !== cards.size || promotions.some(({ id }) => !cards.has(id))) return void refresh()
  for (const promotion of promotions) showPromotion(cards.get(promotion.id), promotion)
}

function show(event) {
  setText(document.querySelector('[data-workers]'), event.workers)
  if (page.dataset.page === 'progress') return showProgress(event)
  const [promotion] = event.promotions
  if (promotion !== undefined) showPromotion(page, promotion)
  showInstances(event.instances)
  page.dispatchEvent(new CustomEvent('point', { detail: event.point }))
}

let events

async function watchAgain() {
  if (document.hidden) return
  const response = await fetch(`${base}/api/session`).catch(() => undefined)
  if (response?.status === 401)
    return location.assign(`${base}/login?next=${encodeURIComponent(location.pathname.slice(base.length))}`)
  return watch()
}

function watch() {
  const { promotion } = page.dataset
  const pulse = document.querySelector('[data-pulse]')
  events?.close()
  const own = new EventSource(`${base}/api/events${promotion === undefined ? '' : `?promotion=${promotion}`}`)
  events = own
  own.onopen = () => {
    pulse.hidden = false
  }
  own.onerror = () => {
    pulse.hidden = true
    // A stream that was refused is not opened again by the browser: we do, or are sent to the login.
    if (own.readyState === EventSource.CLOSED && own === events) setTimeout(watchAgain, RETRY_MS)
  }
  own.onmessage = ({ data }) => show(JSON.parse(data))
}

/** A browser has six connections to us, however many tabs: one that nobody looks at gives its own back. */
function watchWhileSeen() {
  watch()
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) return void watchAgain()
    events.close()
    document.querySelector('[data-pulse]').hidden = true
  })
}

function wireOperations() {
  const path = `/api/promotions/${page.dataset.promotion}`
  for (const button of document.querySelectorAll('[data-action]')) {
    button.addEventListener('click', async () => {
      const { action, confirm: question } = button.dataset
      if (question && !confirm(question)) return
      const where = action === 'resume-calls' ? '/api/money/resume-calls' : `${path}/${action}`
      await change(button, button.textContent, () => send(where, 'POST'))
    })
  }
  document.querySelector('[data-concurrency]')?.addEventListener('submit', async event => {
    event.preventDefault()
    const slots = new FormData(event.target).get('slots')
    const body = { consumersPerInstance: slots === '' ? null : Number(slots) }
    await change(event.submitter, 'Slots', () => send(`${path}/concurrency`, 'PUT', body))
  })
}

function create() {
  document.querySelector('[data-create]')?.addEventListener('submit', async event => {
    event.preventDefault()
    const { id, type, name, totalCount } = Object.fromEntries(new FormData(event.target))
    const body = { id, type, name, totalCount: Number(totalCount || 0) }
    const made = await change(event.submitter, 'New promotion', () => send('/api/promotions', 'POST', body))
    if (made !== undefined) location.assign(`${base}/promotions/${made.id}`)
  })
}

function retryGift() {
  document.querySelector('[data-retry-gift]')?.addEventListener('click', async ({ target }) => {
    const answer = await change(target, 'Retry', () => send(`/api/gifts/${page.dataset.gift}/retry`, 'POST'))
    if (answer !== undefined) location.reload()
  })
}

if (page.dataset.page !== 'gift') watchWhileSeen()
if (page.dataset.page === 'promotion') wireOperations()
create()
retryGift()
