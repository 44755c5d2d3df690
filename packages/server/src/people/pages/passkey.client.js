// Asks the browser for a passkey when such a form is sent, and sends it with the answer.
const { PublicKeyCredential: known } = globalThis
for (const form of document.querySelectorAll('form[data-passkey]')) {
  if (!known?.parseRequestOptionsFromJSON) continue
  form.hidden = false
  form.addEventListener('submit', async event => {
    event.preventDefault()
    const alert = form.querySelector('[role=alert]')
    alert.hidden = true
    try {
      const { passkey, options } = form.dataset
      const publicKey =
        passkey === 'get'
          ? known.parseRequestOptionsFromJSON(JSON.parse(options))
          : known.parseCreationOptionsFromJSON(JSON.parse(options))
      const credential = await navigator.credentials[passkey]({ publicKey })
      form.elements.credential.value = JSON.stringify(credential.toJSON())
      form.submit()
    } catch {
      alert.hidden = false
    }
  })
}
