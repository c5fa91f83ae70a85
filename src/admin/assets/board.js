/**
 * On the board: promotions by their names in its list of queues, where their keys stand, a way back to our pages, and none
 * of the actions that are refused. The board's own options turn off all of a queue's actions or none.
 */

const script = document.querySelector('script[data-back]')
/** What a proxy has put before our paths: this file is `{base}/assets/board.js`. */
const base = new URL('..', import.meta.url).pathname.slice(0, -1)
let names = new Map()
let isAsked = false

async function readNames() {
  const response = await fetch(`${base}/board/api/queues?page=1&jobsPerPage=1`).catch(() => undefined)
  if (response?.ok !== true) return
  const { queues } = await response.json()
  names = new Map(queues.map(({ name, displayName }) => [name, displayName ?? name]))
  rename()
}

/** The text of a link alone: what the board's own script made of it stays as it is. */
function rename() {
  for (const link of document.querySelectorAll('a[href*="/queue/"]')) {
    const walker = document.createTreeWalker(link, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const name = names.get(node.nodeValue)
      if (name !== undefined && name !== node.nodeValue) {
        node.nodeValue = name
        link.title = name
      } else if (name === undefined && node.nodeValue.startsWith('campaign-promotion-') && !isAsked) {
        // A promotion that was not there before: asked once in a while, not with each change of the page.
        isAsked = true
        setTimeout(() => {
          isAsked = false
          readNames()
        }, 1000)
      }
    }
  }
}

/** By their keys in the board's own texts, of the reader's language. */
const REFUSED = [
  ...['ADD_JOB', 'RETRY_ALL_FAILED', 'RETRY_FAILED_IN_ALL_QUEUES', 'RETRY_FAILED_IN_GROUP'],
  ...['SET_RATE_LIMIT', 'EMPTY', 'OBLITERATE'],
]
let refusedTexts = []
let retryText = ''

async function readTexts() {
  const path = `${base}/board/static/locales/${script.dataset.locale}/messages.json`
  const response = await fetch(path).catch(() => undefined)
  if (response?.ok !== true) return
  const { QUEUE, JOB } = await response.json()
  retryText = JOB.ACTIONS.RETRY
  // Each with what comes before and behind its count.
  refusedTexts = REFUSED.map(key => QUEUE.ACTIONS[key].split('{{count}}'))
  hideRefused()
}

function hide(element) {
  if (element.style.display !== 'none') element.style.display = 'none'
}

/** What is left are pause, resume and slots of the retry queue, and the retry of one failed job. */
function hideRefused() {
  for (const item of document.querySelectorAll('[role="menuitem"]')) {
    const text = item.textContent.trim()
    const isRefused = refusedTexts.some(([before, after = '']) =>
      after === '' ? text === before : text.startsWith(before) && text.endsWith(after),
    )
    if (isRefused) hide(item)
  }
  for (const list of document.querySelectorAll('ul[class*="queueActions-"]')) hide(list)
  for (const list of document.querySelectorAll('ul[class*="jobActions-"]')) {
    // Only a failed job has four, and its retry comes first; they are icons without a name.
    const [retry, ...others] = list.children
    for (const item of list.children.length === 4 ? others : list.children) hide(item)
    if (list.children.length === 4) retry.querySelector('button').ariaLabel = retryText
  }
}

function addWayBack() {
  const list = document.querySelector('aside, nav')
  if (list === null || document.querySelector('[data-way-back]') !== null) return
  const link = document.createElement('a')
  link.href = `${base}/`
  link.textContent = `← ${script.dataset.back}`
  link.dataset.wayBack = ''
  // The board's own style sheet knows nothing of it.
  Object.assign(link.style, { display: 'block', padding: '0.5rem 1rem', color: 'inherit' })
  list.prepend(link)
}

new MutationObserver(() => {
  rename()
  addWayBack()
  hideRefused()
}).observe(document.body, { childList: true, subtree: true, characterData: true })
readNames()
readTexts()
