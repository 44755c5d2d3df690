/**
 * Long passwords that are tried first, without the digits and signs at their end. Shorter ones are refused by their
 * length. Not a list of breaches: those have hundreds of millions.
 */
export const COMMON_PASSWORDS: ReadonlySet<string> = new Set(
  `password passwordpassword password123password mypassword mypasswordis thisismypassword changeme changemenow
  changemeplease changethis changethispassword letmein letmeinnow letmeinplease pleaseletmein welcome welcomeback
  welcomewelcome welcometothejungle administrator adminadmin adminadminadmin adminpassword superadmin rootroot
  rootpassword qwertyuiop qwertyuiopasdfghjkl qwertyuiopasdf qwertyqwerty qwertyuiopas qwertz asdfghjkl asdfghjklasdfghjkl
  zxcvbnm qazwsxedc qazwsxedcrfv 1q2w3e4r5t 1q2w3e4r5t6y 1q2w3e4r5t6y7u 1qaz2wsx3edc 1qaz2wsx3edc4rfv abcdefghijkl
  abcdefghijklm abcdefghijklmnop abcdefghijklmnopqrstuvwxyz iloveyou iloveyouforever iloveyousomuch iloveyoubaby
  iloveyoumore ilovemyself trustno trustnoone dragondragon monkeymonkey sunshinesunshine princessprincess
  footballfootball baseballbaseball superman supermanbatman correcthorsebatterystaple correct horse battery staple
  correct-horse-battery-staple tobeornottobe maytheforcebewithyou opensesame abracadabra supercalifragilisticexpialidocious
  companypassword temporarypassword temppassword defaultpassword defaultpass passwordispassword secretpassword
  topsecret topsecretpassword supersecret supersecretpassword verysecretpassword notapassword nopassword
  correcthorse masterpassword hunter2hunter testtesttest testpassword testingtesting valetkey valetkeyvaletkey
  springsummer summerautumn winterwinter 123456789012 1234567890123 12345678901234 1234567890 012345678910 111111111111
  000000000000 123123123123 121212121212 987654321098 112233445566 1234567891011 123456123456 123456654321
  passw0rdpassw0rd p@ssw0rd p@ssw0rdp@ssw0rd p@ssword pa$$word passw0rd`
    .split(/\s+/)
    .filter(word => word !== ''),
)
