import { base, change, page, send, texts } from './page-tools.js'

/** The buttons and forms of the pages. */

/** Asked in the page itself; what cannot be taken back wants the promotion's name. Resolves with whether it was meant. */
function confirmed(button) {
  const dialog = document.querySelector('[data-dialog]')
  const name = dialog.querySelector('[data-dialog-name]')
  const input = name.querySelector('input')
  const confirm = dialog.querySelector('[data-dialog-confirm]')
  const isNamed = button.dataset.named === 'yes'
  dialog.querySelector('[data-dialog-title]').textContent = button.textContent
  dialog.querySelector('[data-dialog-question]').textContent = button.dataset.confirm
  name.hidden = !isNamed
  input.value = ''
  const check = () => {
    confirm.disabled = isNamed && input.value.trim() !== name.dataset.dialogName
  }
  input.oninput = check
  check()
  dialog.returnValue = ''
  dialog.showModal()
  return new Promise(resolve => {
    dialog.onclose = () => resolve(dialog.returnValue === 'confirm' && !confirm.disabled)
  })
}

function wireOperations() {
  const path = `/api/promotions/${page.dataset.promotion}`
  for (const button of document.querySelectorAll('[data-action]')) {
    button.addEventListener('click', async () => {
      const { action, confirm: question } = button.dataset
      if (question && !(await confirmed(button))) return
      const where = action === 'resume-calls' ? '/api/money/resume-calls' : `${path}/${action}`
      await change(button, button.textContent, () => send(where, 'POST'))
    })
  }
  document.querySelector('[data-concurrency]')?.addEventListener('submit', async event => {
    event.preventDefault()
    const slots = new FormData(event.target).get('slots')
    const body = { consumersPerInstance: slots === '' ? null : Number(slots) }
    await change(event.submitter, texts.slots, () => send(`${path}/concurrency`, 'PUT', body))
  })
}

function wireCopy() {
  document.querySelector('[data-copy]')?.addEventListener('click', async ({ target }) => {
    await navigator.clipboard.writeText(document.querySelector('[data-copied]').textContent)
    target.textContent = target.dataset.done
  })
}

function wireCreate() {
  document.querySelector('[data-create]')?.addEventListener('submit', async event => {
    event.preventDefault()
    const { id, type, name, totalCount, deadline, weight } = Object.fromEntries(new FormData(event.target))
    const body = { id, type, name, totalCount: Number(totalCount || 0), weight: Number(weight || 1) }
    // The field is in the reader's own time.
    if (deadline) body.deadlineAt = new Date(deadline).toISOString()
    const made = await change(event.submitter, texts.create, () => send('/api/promotions', 'POST', body))
    if (made !== undefined) location.assign(`${base}/promotions/${made.id}`)
  })
}

function wireRetry() {
  document.querySelector('[data-retry-gift]')?.addEventListener('click', async ({ target }) => {
    const answer = await change(target, target.textContent, () => send(`/api/gifts/${page.dataset.gift}/retry`, 'POST'))
    if (answer !== undefined) location.reload()
  })
}

/** Chosen rows of a table, and one thing that is done to all of them. */
function wireSelection(form, bodyOf, path) {
  const boxes = [...document.querySelectorAll('[data-select]')]
  const selected = () => boxes.filter(({ checked }) => checked).map(({ value }) => value)
  const all = form.querySelector('[data-select-all]')
  const button = form.querySelector('button')
  const show = () => {
    button.disabled = selected().length === 0
  }
  all.addEventListener('change', () => {
    for (const box of boxes) box.checked = all.checked
    show()
  })
  for (const box of boxes) box.addEventListener('change', show)
  form.addEventListener('submit', async event => {
    event.preventDefault()
    const answer = await change(button, button.textContent, () => send(path, 'POST', bodyOf(selected())))
    if (answer !== undefined) location.reload()
  })
  show()
}

function wireSelections() {
  const [retry, replay] = ['[data-selection]', '[data-replay]'].map(selector => document.querySelector(selector))
  if (retry !== null) {
    wireSelection(retry, targetIds => ({ targetIds }), `/api/promotions/${retry.dataset.selection}/gifts/retry`)
  }
  if (replay !== null) {
    const bodyOf = places => ({ messages: places.map(place => JSON.parse(place)) })
    wireSelection(replay, bodyOf, `/api/promotions/${replay.dataset.replay}/rejected/replay`)
  }
}

function wireReport() {
  const button = document.querySelector('[data-make-report]')
  button?.addEventListener('click', async () => {
    const path = `/api/promotions/${button.dataset.makeReport}/report`
    const answer = await change(button, button.textContent, () => send(path, 'POST'))
    if (answer !== undefined) location.reload()
  })
}

if (page?.dataset.page === 'promotion') wireOperations()
wireCopy()
wireCreate()
wireRetry()
wireSelections()
wireReport()
