/** Every sentence that people read on our pages, in one place, so that another language is another object like this. */
export const STRINGS = {
  language: 'en',
  direction: 'ltr',
  timeOf: (at: number) => timeIn('en', at),
  dayOf: (at: number) => dayIn('en', at),
  product: 'Valet Key',
  signIn: {
    title: 'Sign in',
    lead: (agent: string) => `to decide what ${agent} may do for you`,
    email: 'Email address',
    password: 'Password',
    organization: 'Organization (its short name)',
    submit: 'Sign in',
    link: 'Email me a link',
    passkey: 'Use a passkey',
    passkeyFailed: 'That did not work. Try again, or sign in another way.',
    forgotten: 'Forgot your password?',
    otherwise: 'Your organization takes no password here.',
    wrong:
      'That did not work. Check the email address and the password, or ask your administrator for a new invitation.',
    wrongPasskey: 'This passkey is not known here. Try another one, or sign in another way.',
    tooMany: 'Too many tries. Wait fifteen minutes, then try again.',
    elsewhere: 'Use your organization’s sign-in',
    noProvider: 'No organization here has a sign-in of its own for that email address.',
    expired: 'This page was open for too long. Please try again.',
    notThisWay: 'Your organization does not take this way to sign in. Choose another one.',
    again: 'To change how you sign in, please sign in once more.',
  },
  forgotten: {
    title: 'A new password',
    lead: 'We mail you a link by which you choose a new one.',
    submit: 'Email me a link',
    off: 'No new password can be set by mail here. Ask your administrator for an invitation.',
  },
  link: {
    title: 'Sign in with this link?',
    submit: 'Sign in',
    elsewhere: (from: string, time: string) =>
      `This link was asked for in another browser (from ${from}, ${time}). Go on only if that was you.`,
    notYou: 'If you did not ask for it, close this page. Nothing has happened.',
    gone: 'This link was used or has expired. Ask for a new one.',
    sent: {
      title: 'Look into your mail',
      text: (minutes: number) =>
        `If there is such an account, a link is on its way. It is good once, for ${minutes} minutes, best in this browser.`,
      more: 'Nothing came? Ask again',
    },
  },
  secondFactor: {
    title: 'One more step',
    codeOrRecovery: 'Code from your authenticator app, or a recovery code',
    recovery: 'Recovery code',
    submit: 'Continue',
    passkey: 'Use a passkey',
    passkeyFailed: 'That did not work. Try again, or use the other way.',
    lost: 'Lost everything? Your administrator can take away what you have lost.',
    faults: {
      wrong: 'That was not right. Wait for the next code if this one was used already.',
      tooMany: 'Too many tries. Wait fifteen minutes, then sign in again.',
      exists: 'This was set up already. Sign in with it.',
      many: 'That is enough of them. Remove one first.',
    },
    setUp: {
      title: 'Set up a second factor',
      lead: 'Your organization asks for one: something beside the password.',
      passkey: 'Use a passkey',
      app: 'Authenticator app',
      scan: 'Scan this picture with an authenticator app, then type the six digits that it shows.',
      picture: 'Picture for an authenticator app. The secret below it says the same.',
      byHand: 'Or type this secret into the app:',
      code: 'Six digits from the app',
      submit: 'Set up',
    },
    recoveryCodes: {
      title: 'Keep your recovery codes',
      lead: 'Each of these lets you in once when you have lost the rest. They are not shown again: write them down, or print this page.',
      submit: 'I have kept them',
    },
  },
  federation: {
    title: 'Signing in did not work',
    leaving: 'To your sign-in',
    to: (provider: string, host: string) => `You sign in at ${provider} (${host}).`,
    leavingOut: 'You are signed out here',
    toOut: (provider: string, host: string) => `Now you are signed out at ${provider} (${host}), too.`,
    goOn: 'Go on',
    again: 'Start again',
    faults: {
      denied_there:
        'Your identity provider did not let you in. Try again, or ask your administrator for access there.',
      saml_status:
        'Your identity provider did not let you in. Try again, or ask your administrator for access there.',
      not_this_browser: 'This sign-in began in another browser, or too long ago. Start again.',
      sign_in_stale:
        'You were asked to sign in anew, and were not. Sign out at your provider, then start again.',
      replayed: 'This answer of your provider was used already. Start again.',
      provider_gone: 'There is no such identity provider here any more. Go back to the sign-in page.',
      provider_slow: 'Your identity provider does not answer. Try again in a moment.',
      provider_unreachable: 'Your identity provider does not answer. Try again in a moment.',
      provider_inside:
        'Your identity provider lies where this authority does not go. Ask your administrator to name its host to whoever runs this.',
      person_unknown:
        'Your identity provider knows you, but nobody has let you in here yet. Ask your administrator to add you.',
      person_inactive: 'Your account here is suspended. Ask your administrator.',
      address_taken:
        'Your email address belongs to another account of your identity provider here. Ask your administrator to unlink that one.',
      domain_foreign:
        'Your identity provider does not speak for your email address here. Ask your administrator.',
      email_missing: 'Your identity provider did not say what your email address is. Ask your administrator.',
      email_unverified:
        'Your identity provider has not verified your email address. Verify it there, or ask your administrator.',
      saml_unsolicited:
        'This sign-in did not begin here, and your organization does not take such ones. Start again here.',
      saml_certificates_ended:
        'What your organization knows its identity provider by has expired. Tell your administrator.',
      other:
        'What your identity provider answered is not good enough. Try again, or tell your administrator.',
    },
  },
  account: {
    title: 'Your account',
    as: (name: string, email: string, organization: string) => `${name} (${email}), ${organization}`,
    agents: 'Your agents',
    signOut: 'Sign out',
    signedOut: 'You are signed out.',
    notYou: 'Not you?',
    done: {
      password: 'Your password was changed. All other sessions have ended.',
      added: 'It was added. All other sessions have ended.',
      removed: 'It was removed. All other sessions have ended.',
      session: 'That session has ended.',
    },
    last: 'Your organization asks for a second factor. Set up another one before you remove this one.',
    ways: 'How you sign in',
    password: 'Password',
    change: 'Change',
    setUp: 'Set up',
    add: 'Add',
    remove: 'Remove',
    app: 'Authenticator app',
    passkey: (label: string) => (label === '' ? 'Passkey' : `Passkey “${label}”`),
    newPasskey: 'A passkey on this device',
    newPasskeyLead: 'Your device keeps it, and asks for your finger, face or PIN before it is used.',
    passkeyLabel: 'What you call it, as “laptop”',
    noPasskeys: 'This browser has no passkeys, or runs no scripts.',
    used: (since: string, last: string | null) =>
      last === null ? `since ${since}, not used yet` : `since ${since}, last used ${last}`,
    recoveryCodes: 'Recovery codes',
    codesLeft: (many: number) => `${many} left`,
    renew: 'Make new ones',
    sessions: 'Where you are signed in',
    here: 'here',
    session: (since: string, from: string) => `since ${since}, from ${from}`,
    moreSessions: (many: number) => `and ${many} more`,
    endSession: 'Sign out',
    endSessions: 'Sign out everywhere',
    changePassword: 'Change your password',
    oldPassword: 'Your password now',
    wrongOld: 'That is not your password.',
    back: 'Back to your account',
  },
  outbox: {
    title: 'Outbox of this machine',
    empty: 'No mails yet. What this authority would send is shown here, and sent to nobody.',
  },
  mail: {
    link: {
      subject: 'Your link to sign in',
      text: (name: string, url: string, minutes: number) =>
        `Hello ${name},

open this link to sign in. It is good once, for ${minutes} minutes:

${url}

If you did not ask for it, do nothing: nobody is signed in by asking.
`,
    },
    password: {
      subject: 'A new password for your account',
      text: (name: string, url: string, minutes: number) =>
        `Hello ${name},

open this link to choose a new password. It is good once, for ${minutes} minutes:

${url}

If you did not ask for it, do nothing: your password stays as it is.
`,
    },
    invitation: {
      subject: (organization: string) => `Your account at ${organization}`,
      text: (name: string, organization: string, url: string, days: number) =>
        `Hello ${name},

${organization} has an account for you, to decide what AI agents may do in your name. Open this link to choose a
password. It is good once, for ${days} days:

${url}
`,
    },
    asked: {
      subject: (agent: string) => `${agent} waits for your answer`,
      text: (name: string, agent: string, message: string, url: string) =>
        `Hello ${name},

the agent ${agent} asks to act for you.${message === '' ? '' : ` It says: “${message}”`}

Look at what it asks for, and let it, or do not, here:

${url}

Nothing happens before you have answered. What you do not know, refuse.
`,
    },
    changed: {
      subject: 'How you sign in was changed',
      what: {
        password: 'Your password was set.',
        factor_added: 'A second factor was set up.',
        factor_removed: 'A second factor was removed.',
        recovery_codes: 'New recovery codes were made; the old ones are void.',
      },
      text: (name: string, what: string, issuer: string) =>
        `Hello ${name},

${what}

If that was not you, tell your administrator at once, and look at ${issuer}/account where you are signed in.
`,
    },
  },
  invitation: {
    title: 'Choose a password',
    otherTitle: 'Welcome',
    passkey: 'Use a passkey instead',
    passkeyAlone: 'Set up a passkey',
    passkeyOnly: 'Your organization takes no passwords: your device keeps a passkey for you.',
    otherwise: 'Your organization takes no passwords here. Sign in the way that it told you.',
    lead: (name: string, organization: string) => `For ${name}, ${organization}.`,
    password: 'New password',
    again: 'The same again',
    hint: (length: number) =>
      `At least ${length} characters. A few words that do not belong together are a good one.`,
    submit: 'Set password',
    done: 'Your password is set. You can sign in now.',
    gone: 'This invitation was used, replaced or has expired. Ask your administrator for a new one.',
    faults: {
      short: 'That password is too short.',
      long: 'That password is too long.',
      like_name: 'That password is too close to your name or email address.',
      common: 'That password is one of the first that somebody would try.',
      different: 'The two were not the same.',
      passkey: 'That passkey could not be kept. Try again, or choose a password.',
    },
  },
  consent: {
    title: (agent: string) => `Let ${agent} act for you?`,
    titleMore: (agent: string) => `Let ${agent} do more for you?`,
    quoted: (name: string) => `“${name}”`,
    runBy: (name: string, email: string) => `${name} (${email}) answers for it.`,
    unverified: 'It registered itself under this name. Nobody has checked who is behind it.',
    vouched: (host: string) => `${host} vouches for it.`,
    takenOn: (agent: string, owner: string) => `Here it is known as ${agent}; ${owner} answers for it.`,
    first: 'It has never acted for you.',
    owner: 'You will be the one who answers for it.',
    at: (server: string, address: string) => `It wants to work with ${server} (${address}).`,
    returns: {
      web: (host: string) => `Your answer goes to ${host}.`,
      loopback: (host: string) => `Your answer goes to a program on this device (${host}).`,
      device: (from: string) => `It waits on another device, from the address ${from}.`,
      backchannel: () => 'It asks because nobody is at its screen, and waits for your answer.',
      scheme: (scheme: string) => `Your answer goes to whichever app on this device opens ${scheme}: links.`,
    },
    started: 'Allow it only if you have just started it yourself.',
    says: (message: string) => `It says: “${message}”`,
    thisDevice: 'a program on this device',
    scopes: 'What it may do',
    more: 'What it asks for now',
    whole: 'It cannot do with less: you give all of this, or nothing.',
    already: (labels: readonly string[]) => `It may already do this: ${labels.join(', ')}.`,
    onThese: (resources: readonly string[]) => `On ${resources.join(', ')}.`,
    until: (at: number) => `Until ${timeIn('en', at)}.`,
    review: 'Review all of it',
    before: 'allowed before',
    risks: {
      read: '',
      write: 'changes things',
      dangerous: 'can do harm: for one hour at most, then you are asked again',
    },
    reach: 'For which',
    everything: 'Everything that I can reach',
    only: 'Only what I choose',
    find: 'Name or id',
    search: 'Search',
    found: (count: number, text: string) =>
      count === 0 ? `Nothing of yours is called “${text}”.` : `Found for “${text}”:`,
    thereIsMore: (count: number) => `These are ${count} of them. Search for others.`,
    onlyTools: (tools: readonly string[]) =>
      `It asks for ${tools.length === 1 ? 'this tool' : 'these tools'} only: ${tools.join(', ')}.`,
    onlyOn: (names: readonly string[]) => `It asks to work on this only: ${names.join(', ')}.`,
    duration: 'For how long',
    lasting: (seconds: number) => lengthIn('en', seconds),
    kept: (at: number) => `As before: until ${timeIn('en', at)}`,
    deny: 'Deny',
    allow: 'Allow',
    promise:
      'It can never do more than you can, and never more than your company allows agents like it. Every call is recorded. You can stop it at any time under “Your agents”.',
    nothing: 'Nothing was ticked. Tick what it may do, or deny.',
    nowhere: 'Choose at least one, or everything that you can reach.',
    changed: 'Something has changed while you were reading. Please look again.',
  },
  device: {
    title: 'Connect a program on another device',
    lead: 'Type the code that it shows.',
    warning:
      'Only a code that you see on a device of your own, of a program that you have just started. Nobody else ever needs you to type one.',
    code: 'Code',
    submit: 'Go on',
    unknown: 'No program waits for that code. Look at it once more; after ten minutes it shows a new one.',
    tooMany: 'Too many tries. Wait fifteen minutes, then try again.',
  },
  answered: {
    title: 'That is answered',
    text: 'The program hears of it by itself. You can close this page.',
  },
  agents: {
    title: 'Your agents',
    asks: (agent: string) => `${agent} waits for your answer`,
    answer: 'Look at it',
    lead: 'These may act for you. They can never do more than you can yourself.',
    none: 'No agent acts for you.',
    unreadable: 'What they did cannot be shown at the moment.',
    answers: (owner: string) => `${owner} answers for it.`,
    yours: 'You answer for it.',
    isStopped: 'It is stopped at the moment, by an administrator.',
    at: (server: string) => `At ${server}`,
    anywhere: 'At every server',
    mayNothing: 'Nothing at the moment',
    may: (labels: readonly string[]) => labels.join(', '),
    briefly: (label: string, at: number) => `${label}, until ${timeIn('en', at)} only`,
    lost: (labels: readonly string[]) =>
      `You gave it this too, and do not hold it any more: ${labels.join(', ')}`,
    on: (names: readonly string[]) => `For ${names.join(', ')}`,
    everything: 'For everything that you can reach',
    until: (at: number) => `Until ${timeIn('en', at)}`,
    noEnd: 'Without an end',
    byAdministrator: 'Given by an administrator',
    lastUse: (at: number) => `Last used ${timeIn('en', at)}`,
    neverUsed: 'Never used',
    calls: (days: number, permitted: number, refused: number) =>
      `In the last ${days} days: ${permitted} ${permitted === 1 ? 'call' : 'calls'}${refused > 0 ? `, and ${refused} refused` : ''}.`,
    show: 'What it did',
    stop: 'Stop it',
    stopAll: 'Stop all of them',
    did: (agent: string) => `What ${agent} did for you`,
    didNothing: 'Nothing that is on record.',
    lastOnes: (count: number) => `The last ${count} calls:`,
    permitted: 'done',
    refused: (reason: string) => `refused (${reason})`,
    back: 'Back to your agents',
    sure: (agent: string) => `Stop ${agent}?`,
    sureAll: 'Stop all of your agents?',
    sureOne: (agent: string, server: string) => `Stop ${agent} at ${server}?`,
    effect:
      'From then on every call that it makes for you is refused. To let it act again, you would have to allow it again.',
    effectAll:
      'From then on every call that they make for you is refused. To let them act again, you would have to allow each again.',
    yes: 'Stop',
    no: 'Keep',
    done: (agent: string) => `${agent} is stopped.`,
    doneAll: 'All of them are stopped.',
  },
  stopped: {
    title: 'This cannot go on',
    expired: 'This request has ended. Go back to the program and start again.',
    pending:
      'An administrator has to approve this program first: name its owner, what it may do, and activate it.',
    unknown: 'Nobody has approved this program yet.',
    ask: 'Put it before the administrators',
    asked: (agent: string) =>
      `The administrators find it as the agent ${agent}. Come back when they have approved it.`,
    foreign: 'This program belongs to another organization.',
    alone: 'This agent acts for itself only, never for people.',
    nothing:
      'You hold nothing of what it asks for, so there is nothing that you could give it. Ask your administrator.',
    lacking: (permissions: readonly string[]) =>
      `It takes all that it asks for or nothing, and you do not hold ${permissions.join(', ')}. Ask your administrator.`,
    tooMany: 'Too many requests have come from your network. Wait a minute, then start again.',
    back: 'Go back',
    form: 'This form is not valid any more. Go back, load the page again and repeat.',
    trouble: 'Something failed here. Try again in a moment.',
    requests: {
      invalid_client:
        'The program that sent you here is not known, or may not act for people. Connect it anew, or ask your administrator.',
      client_document:
        'The program says who it is by the address of a document, and that document could not be taken. Its maker, or your administrator, can tell why.',
      invalid_redirect_uri:
        'The program wants your answer at an address that it has not registered. Do not go on, and tell your administrator.',
      invalid_target:
        'The program did not say for which server it asks, or that server is not known here. Ask your administrator.',
      other:
        'The program has asked in a way that cannot be answered. Start again there; if that does not help, tell its maker.',
    },
    saying: (words: string) => `For its maker: ${words}`,
    reference: 'Reference:',
  },
} as const

/** Formats are made once: to make one costs more than a page. */
const formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>()

/** Times are said in UTC, since a page without a script does not know where it is read. */
export function timeIn(language: string, at: number): string {
  const make = () =>
    new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })
  return `${formatOf(`time ${language}`, make).format(at)} UTC`
}

/** The same without the time of day. */
function dayIn(language: string, at: number): string {
  const make = () => new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeZone: 'UTC' })
  return formatOf(`day ${language}`, make).format(at)
}

/** In the largest unit that leaves no rest. */
function lengthIn(language: string, seconds: number): string {
  const [unit, size] = seconds % 86_400 === 0 ? (['day', 86_400] as const) : (['hour', 3_600] as const)
  const make = () => new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' })
  return formatOf(`${unit} ${language}`, make).format(seconds / size)
}

function formatOf<T extends Intl.DateTimeFormat | Intl.NumberFormat>(key: string, make: () => T): T {
  const known = formats.get(key) as T | undefined
  if (known) return known
  const made = make()
  formats.set(key, made)
  return made
}
