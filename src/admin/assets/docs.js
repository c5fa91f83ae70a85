/** On the API's page: a way back to ours, which its logo is not. */
const link = document.createElement('a')
link.href = location.pathname.replace(/\/api\/docs.*$/, '/')
link.textContent = '← promostream'
link.dataset.wayBack = ''
Object.assign(link.style, { display: 'inline-block', padding: '0.75rem 1.25rem', font: '16px sans-serif' })
document.body.prepend(link)
