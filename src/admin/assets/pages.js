import { base, goToLogin, make, page, setText, setTime, showTimes, texts } from './page-tools.js'

/** Keeps a page live by server-sent events. */

const RETRY_MS = 3000

function bottleneckItem({ level, levelText, code, text, since, remedy }) {
  const item = document.createElement('li')
  item.dataset.level = level
  item.dataset.code = code
  item.append(make('strong', levelText), ` ${text} `)
  if (since !== undefined) {
    const [small, time] = [make('small', `${texts.since} `), make('time', '')]
    setTime(time, since)
    small.append(time)
    item.append(small)
  }
  if (remedy !== undefined) {
    const [span, link] = [make('span', `${remedy} `, 'remedy'), make('a', texts.runbook)]
    link.href = `${base}/runbook#${code}`
    span.append(link)
    item.append(span)
  }
  return item
}

function showBottlenecks(root, bottlenecks) {
  const told = bottlenecks.filter(({ code }) => code !== 'completed')
  const list = root.querySelector('.bottlenecks')
  const seen = JSON.stringify(told)
  if (list === null || list.dataset.seen === seen) return
  list.dataset.seen = seen
  root.querySelector('[data-causes]').hidden = told.length === 0
  list.replaceChildren(...told.map(bottleneckItem))
}

/** On the list, what slows all of them down is said once, above. */
function showCauses(root, bottlenecks) {
  const seeAbove = root.querySelector('[data-shared]')
  if (seeAbove === null) return showBottlenecks(root, bottlenecks)
  seeAbove.hidden = !bottlenecks.some(({ isShared }) => isShared)
  showBottlenecks(
    root,
    bottlenecks.filter(({ isShared }) => !isShared),
  )
}

function showInstallation(bottlenecks) {
  const root = document.querySelector('[data-installation]')
  root.hidden = bottlenecks.length === 0
  showBottlenecks(root, bottlenecks)
}

function showFigures(root, { text, hints, times }) {
  for (const element of root.querySelectorAll('[data-field]')) {
    const { field } = element.dataset
    if (field in text) setText(element, text[field])
    if (element.matches('dd')) element.title = hints[field] ?? ''
  }
  for (const element of root.querySelectorAll('[data-time-field]')) {
    const at = times[element.dataset.timeField]
    const time = element.querySelector('time') ?? make('time', '')
    if (at === null) {
      element.textContent = '-'
    } else {
      setTime(time, at)
      if (!time.isConnected) element.replaceChildren(time)
    }
  }
}

/** Only what applies is shown; whoever is on a button that goes is taken to where the result stands. */
function showActions(root, actions, primary) {
  for (const button of root.querySelectorAll('[data-action]')) {
    const { action } = button.dataset
    const isShown = actions.includes(action)
    if (!isShown && document.activeElement === button) document.getElementById('notice').focus()
    button.hidden = !isShown
    button.classList.toggle('main', action === primary)
  }
  const danger = root.querySelector('[data-danger]')
  if (danger !== null) danger.hidden = danger.querySelector('[data-action]:not([hidden])') === null
}

function showPromotion(root, fields) {
  const { status, look, percent, bottlenecks, actions, primary, isEmpty } = fields
  showFigures(root, fields)
  const badge = root.querySelector('[data-field="status"]')
  badge.dataset.status = status
  badge.dataset.look = look
  const bar = root.querySelector('progress')
  if (bar !== null && percent === null) bar.removeAttribute('value')
  else if (bar !== null) bar.value = percent
  showCauses(root, bottlenecks)
  showActions(root, actions, primary)
  const slots = root.querySelector('[data-concurrency]')
  if (slots !== null) slots.hidden = status === 'COMPLETED'
  const next = root.querySelector('[data-next]')
  if (next !== null) next.hidden = !isEmpty
}

function showMoney({ text, shares }) {
  const card = document.querySelector('[data-money]')
  if (card === null) return
  for (const element of card.querySelectorAll('[data-money-field]')) setText(element, text[element.dataset.moneyField])
  card.querySelector('[data-money-shares]').replaceChildren(
    ...shares.map(([name, share]) => {
      const item = make('li', `${name} `)
      item.append(make('strong', share))
      return item
    }),
  )
}

/** A server is away: what stands here of it was read before. */
function showStale(stale) {
  const notes = document.querySelector('[data-stale]')
  const seen = JSON.stringify(stale)
  if (notes.dataset.seen === seen) return
  notes.dataset.seen = seen
  notes.hidden = stale.length === 0
  notes.replaceChildren(
    ...stale.map(({ text, asOf }) => {
      const [note, time] = [make('p', `${text} `, 'notice'), make('time', '')]
      note.dataset.level = 'bad'
      setTime(time, asOf)
      note.append(time)
      return note
    }),
  )
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
    showTimes(part)
    if (page.dataset.page === 'progress') document.querySelector('.empty')?.remove()
  } finally {
    isRefreshing = false
  }
}

function showProgress({ promotions }) {
  const cards = new Map([...page.querySelectorAll('[data-promotion]')].map(card => [card.dataset.promotion, card]))
  const isNew = ({ id, status }) => {
    const card = cards.get(id)
    return card === undefined || (card.dataset.look === 'ended') !== (status === 'COMPLETED')
  }
  // A part of the list (a search, a page of many) is not made again: who reads it keeps their place.
  if (page.dataset.part !== 'yes' && (promotions.length !== cards.size || promotions.some(isNew))) return void refresh()
  for (const promotion of promotions) {
    const card = cards.get(promotion.id)
    if (card !== undefined) showPromotion(card, promotion)
  }
}

function show(event) {
  setText(document.querySelector('[data-workers]'), event.workers)
  showStale(event.stale)
  showMoney(event.money)
  if (page.dataset.page === 'progress') {
    showInstallation(event.installation)
    return showProgress(event)
  }
  const [promotion] = event.promotions
  if (promotion !== undefined) showPromotion(page, promotion)
  showInstances(event.instances)
  page.dispatchEvent(new CustomEvent('point', { detail: event.point }))
}

let events

async function watchAgain() {
  if (document.hidden) return
  const response = await fetch(`${base}/api/session`).catch(() => undefined)
  if (response?.status === 401) return goToLogin()
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

showTimes(document)
if (page?.dataset.page === 'progress' || page?.dataset.page === 'promotion') watchWhileSeen()
