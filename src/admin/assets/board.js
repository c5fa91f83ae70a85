/** On the board: promotions by their names in its list of queues, where their keys stand, and a way back to our pages. */

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
}).observe(document.body, { childList: true, subtree: true, characterData: true })
readNames()
