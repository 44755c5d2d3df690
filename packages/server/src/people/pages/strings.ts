/** Every sentence that people read on our pages, in one place, so that another language is another object like this. */
export const STRINGS = {
  language: 'en',
  direction: 'ltr',
  product: 'Valet Key',
  signIn: {
    title: 'Sign in',
    lead: (agent: string) => `to decide what ${agent} may do for you`,
    email: 'Email address',
    password: 'Password',
    organization: 'Organization (its short name)',
    submit: 'Sign in',
    wrong:
      'That did not work. Check the email address and the password, or ask your administrator for a new invitation.',
    tooMany: 'Too many tries. Wait fifteen minutes, then try again.',
    elsewhere: 'Use your organization’s sign-in',
    noProvider: 'No organization here has a sign-in of its own for that email address.',
    expired: 'This page was open for too long. Please try again.',
    policy: {
      refused: 'Your organization does not take this way to sign in. Choose another one.',
      second_factor: 'Your organization asks for a second factor, and you have none. Ask your administrator.',
    },
  },
  federation: {
    title: 'Signing in did not work',
    leaving: 'To your sign-in',
    to: (provider: string, host: string) => `You sign in at ${provider} (${host}).`,
    leavingOut: 'You are signed out here',
    toOut: (provider: string, host: string) => `Now you are signed out at ${provider} (${host}), too.`,
    goOn: 'Go on',
    faults: {
      not_this_browser:
        'This sign-in began in another browser, or too long ago. Go back to the sign-in page and start again.',
      sign_in_stale:
        'You were asked to sign in anew, and were not. Sign out at your provider, then start again.',
      replayed: 'This answer of your provider was used already. Go back to the sign-in page and start again.',
      provider_gone: 'There is no such identity provider here any more. Go back to the sign-in page.',
      provider_slow: 'Your identity provider does not answer. Try again in a moment.',
      provider_unreachable: 'Your identity provider does not answer. Try again in a moment.',
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
        'This sign-in did not begin here, and your organization does not take such ones. Start at the sign-in page.',
      saml_certificates_ended:
        'What your organization knows its identity provider by has expired. Tell your administrator.',
      other:
        'What your identity provider answered is not good enough. Try again, or tell your administrator.',
    },
  },
  account: {
    title: 'Signed in',
    as: (name: string, email: string, organization: string) => `${name} (${email}), ${organization}`,
    signOut: 'Sign out',
    signedOut: 'You are signed out.',
    notYou: 'Not you?',
  },
  invitation: {
    title: 'Choose a password',
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
    },
  },
  consent: {
    title: (agent: string) => `Let ${agent} act for you?`,
    unverified: 'calls itself so; nobody has checked it',
    returns: (place: string) => `It goes back to ${place}.`,
    thisComputer: 'a program on this computer',
    at: (server: string, address: string) => `It wants to work with ${server} (${address}).`,
    first: 'First time here.',
    owner: 'You will be the one who answers for it.',
    scopes: 'What it may do',
    risks: { read: '', write: 'changes things', dangerous: 'can do harm: think twice' },
    reach: 'For which',
    everything: 'Everything that I can reach',
    only: 'Only these:',
    more: (count: number) => `The first ${count} are shown.`,
    duration: 'For how long',
    durations: { hour: '1 hour', day: '1 day', month: '30 days' },
    deny: 'Deny',
    allow: 'Allow',
    promise:
      'It can never do more than you can, and never more than your company allows agents like it. Every call is recorded.',
    nothing: 'Nothing was ticked. Tick what it may do, or deny.',
    nowhere: 'Choose at least one, or everything that you can reach.',
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
    back: 'Go back',
    form: 'This form is not valid any more. Go back, load the page again and repeat.',
    trouble: 'Something failed here. Try again in a moment.',
    reference: (id: string) => `Reference: ${id}`,
  },
} as const
